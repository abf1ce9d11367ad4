"""The Grafana dashboard and Prometheus rules of Andon, as code, with what they generate."""
