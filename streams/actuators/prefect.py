"""Prefect 3: a paused deployment starts no scheduled runs; those that wait are deleted."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from andon.commands import Alert
from streams.actuators.api import Api, segment
from streams.web import Request


class PrefectSettings(Api):
    """`POST /deployments/{id}/pause_deployment`; `url` ends in `/api`, or in a workspace."""

    deployment: Annotated[str, Field(pattern=r"^[0-9a-fA-F-]{32,36}$")]

    def request(self, alert: Alert, *, pause: bool) -> Request:
        """Pausing what is paused changes nothing."""
        verb = "pause" if pause else "resume"
        return self.call("POST", f"/deployments/{segment(self.deployment)}/{verb}_deployment")
