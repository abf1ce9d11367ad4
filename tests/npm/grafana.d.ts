// Grafana's own types, as JSON has them: an enum is its text. Queries and annotations are those of
// Prometheus, whose own fields the schema leaves to the data source.
import type { AnnotationQuery, Dashboard, DataQuery } from '@grafana/schema';

interface PrometheusQuery extends DataQuery {
  expr: string;
  legendFormat?: string;
  format?: 'time_series' | 'table' | 'heatmap';
  instant?: boolean;
  range?: boolean;
}

interface PrometheusAnnotation {
  titleFormat?: string;
  textFormat?: string;
}

type Fields<T> = {
  [Field in keyof T]: Field extends 'targets' ? PrometheusQuery[] : AsJson<T[Field]>;
};

type AsJson<T> = T extends DataQuery
  ? PrometheusQuery
  : T extends AnnotationQuery
    ? Fields<T> & PrometheusAnnotation
    : T extends string
      ? `${T}`
      : T extends number | boolean | null | undefined
        ? T
        : T extends Array<infer Item>
          ? Array<AsJson<Item>>
          : Fields<T>;

export type DashboardJson = AsJson<Dashboard>;
