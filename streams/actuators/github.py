"""GitHub Actions: a disabled workflow is not triggered any more."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from andon.commands import Alert
from streams.actuators.api import Api, segment
from streams.web import Request


class GithubSettings(Api):
    """`PUT /repos/{owner}/{repo}/actions/workflows/{id}/disable`; the token may write Actions."""

    url: str = "https://api.github.com"
    repo: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    file: Annotated[str, Field(min_length=1, description="such as nightly.yml, or the number")]

    def request(self, alert: Alert, *, pause: bool) -> Request:
        """Disabling what is disabled changes nothing."""
        verb = "disable" if pause else "enable"
        return self.call(
            "PUT",
            f"/repos/{self.repo}/actions/workflows/{segment(self.file)}/{verb}",
            accept="application/vnd.github+json",
            x_github_api_version="2022-11-28",
        )
