"""Apache Airflow: a paused DAG starts no new runs. Airflow 3 speaks `v2`, Airflow 2 `v1`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from andon.commands import Alert
from streams.actuators.api import Api, segment
from streams.web import Request

Name = Annotated[str, Field(min_length=1)]


class AirflowSettings(Api):
    """`PATCH /api/v2/dags/{dag_id}`."""

    dag: Name
    api: Literal["v1", "v2"] = "v2"

    def request(self, alert: Alert, *, pause: bool) -> Request:
        """Sets `is_paused`, which may be set again."""
        path = f"/api/{self.api}/dags/{segment(self.dag)}"
        return self.call("PATCH", path, {"is_paused": pause})
