"""What the server can be told from outside: environment variables with the prefix ANDON_."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from andon.errors import AndonError
from andon.signing import Keys
from detectors.forgetting import BOUNDS, Bounds


class SettingsError(AndonError):
    """A setting that cannot be used; names its environment variable."""


class Settings(BaseSettings):
    """Read from the environment when made; keyword arguments win."""

    model_config = SettingsConfigDict(env_prefix="ANDON_", populate_by_name=True)

    bootstrap_servers: str = Field(
        default="localhost:9092",
        min_length=1,
        validation_alias=AliasChoices("KAFKA_BOOTSTRAP_SERVERS", "ANDON_BOOTSTRAP_SERVERS"),
    )
    group: str = Field(default="andon-monitor", min_length=1)
    data_dir: Path = Path(".andon")
    policy: Path = Path("policy.yaml")
    policies_from_topic: bool = False

    canary_workflow: str = Field(default="andon-canary", max_length=200)
    canary_every_s: float = Field(default=300.0, ge=1)
    canary_heartbeat_url: str = ""

    signing_key: Path | None = None
    verify_keys: str = ""

    snapshot_every_s: float = Field(default=60.0, gt=0)
    workflows_max: int = Field(default=BOUNDS.workflows_max, ge=1)
    events_exact: int = Field(default=BOUNDS.events_exact, ge=100)
    target_down_workflows: int = Field(default=BOUNDS.down_workflows, ge=2)
    target_down_over_s: int = Field(default=BOUNDS.down_over_s, ge=1)

    partitions: int = Field(default=4, ge=1)
    replication: int = Field(default=1, ge=1)
    events_retention_days: int = Field(default=7, ge=1)
    audit_retention_days: int = Field(default=400, ge=1)

    @property
    def events_kept_s(self) -> int:
        """How long events are kept."""
        return self.events_retention_days * 86_400

    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=9464, ge=0, le=65535)

    @property
    def keys(self) -> Keys:
        """What commands are signed with, and whose are obeyed. Raises SigningKeyError."""
        return Keys.of(self.signing_key, self.verify_keys)

    @property
    def bounds(self) -> Bounds:
        """How much a partition may hold."""
        return BOUNDS._replace(
            workflows_max=self.workflows_max,
            events_exact=self.events_exact,
            down_workflows=self.target_down_workflows,
            down_over_s=self.target_down_over_s,
        )


def load_settings(**overrides: Any) -> Settings:
    """The settings, `overrides` before the environment. Raises SettingsError."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("\n".join(map(complaint, error.errors()))) from error


def complaint(error: Any, prefix: str = "ANDON_") -> str:
    """What pydantic says of one setting, by its environment variable."""
    name = str(error["loc"][0]).upper()
    variable = name if name.startswith(("KAFKA_", "ANDON_")) else f"{prefix}{name}"
    return f"{variable}: {error['msg']}, found {error['input']!r}"
