"""What holds the repository together: the wheel, the pins and the compose file."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from andon.policy import PRESETS
from andon.policy_file import load_policies
from api.settings import ApiSettings, load_api_settings
from streams.settings import Settings

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMPOSE_FILE = ROOT / "docker-compose.yml"
ENV_EXAMPLE = ROOT / ".env.example"

# Modules of the wheel that need an extra: `server` for the commands, `metrics` for the exporter.
NEED_AN_EXTRA = (
    "andon.cli",
    "andon.extends",
    "andon.guard.exporter",
    "andon.own_names",
    "andon.policy_file",
    "andon.policy_review",
    "andon.policy_text",
    "andon.second_look",
    "andon.yaml_lines",
)


# --- the wheel ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    subprocess.run([*build, str(folder)], cwd=ROOT, check=True, capture_output=True)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_wheel_holds_andon_alone(wheel: zipfile.ZipFile) -> None:
    version = PROJECT["project"]["version"]
    assert {name.split("/")[0] for name in wheel.namelist()} == {
        "andon",
        f"andon-{version}.dist-info",
    }
    assert "andon/py.typed" in wheel.namelist()
    assert {f"andon/{name.replace('preset', 'presets')}.yaml" for name in PRESETS} <= set(
        wheel.namelist()
    )
    assert f"andon-{version}.dist-info/licenses/LICENSE" in wheel.namelist()


def test_wheel_imports_with_its_own_dependencies_alone(
    wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    wheel.extractall(tmp_path)
    for entry in set(installed_entries("andon")):
        (tmp_path / entry.name).symlink_to(entry)
    modules = [m for m in module_names(wheel) if not m.startswith(NEED_AN_EXTRA)]
    assert "andon.guard" in modules
    program = f"import sys; sys.path.append({str(tmp_path)!r})\n" + "\n".join(
        f"import {module}" for module in modules
    )
    run = subprocess.run([sys.executable, "-IS", "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_command_line_leaves_the_server_until_it_is_asked_for() -> None:
    program = "import sys, andon.cli.commands; print(*{m.split('.')[0] for m in sys.modules})"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    server = {"api", "detectors", "streams", "backtest", "fastapi", "faust", "numba"}
    assert not server & set(run.stdout.split())


def installed_entries(distribution: str) -> Iterator[Path]:
    """The files and folders in site-packages of what `distribution` requires, and they in turn."""
    for line in importlib.metadata.requires(distribution) or []:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        for file in importlib.metadata.files(requirement.name) or []:
            if not file.parts[0].startswith((".", "_")):
                yield Path(str(file.locate())).parents[len(file.parts) - 1] / file.parts[0]
        yield from installed_entries(requirement.name)


def module_names(wheel: zipfile.ZipFile) -> list[str]:
    files = [name for name in wheel.namelist() if name.endswith(".py")]
    return [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in files]


# --- the pins ----------------------------------------------------------------------------------

PIN = re.compile(r"^(?P<requirement>[\w.-]+==\S+(?: ; .+?)?) \\$", re.MULTILINE)


def pins(lock: str) -> list[Requirement]:
    text = (ROOT / "requirements" / lock).read_text()
    return [Requirement(match["requirement"]) for match in PIN.finditer(text)]


def required(extras: list[str], groups: list[str]) -> Iterator[Requirement]:
    project = PROJECT["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    for group in groups:
        lines += [line for line in PROJECT["dependency-groups"][group] if isinstance(line, str)]
    return map(Requirement, lines)


@pytest.mark.parametrize("lock", ["setup.lock", "server.lock", "dev.lock"])
def test_lock_names_no_host_and_hashes_every_pin(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text()
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE), "options such as an index belong elsewhere"
    blocks = re.split(r"^(?=[\w])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(pins(lock)) > 0
    assert all("--hash=sha256:" in block for block in blocks)


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize(
    ("lock", "extras", "groups"),
    [
        ("server.lock", ["server"], ["build"]),
        ("dev.lock", ["metrics", "signed", "server", "local", "plot"], ["dev", "build"]),
    ],
)
def test_lock_satisfies_the_project(
    lock: str, extras: list[str], groups: list[str], python: str
) -> None:
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    locked = {
        canonicalize_name(pin.name): next(iter(pin.specifier)).version
        for pin in pins(lock)
        if pin.marker is None or pin.marker.evaluate(environment)
    }
    for requirement in required(extras, groups):
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement} is not in {lock}: run `make lock`"
        assert version in requirement.specifier, f"{lock} has {version}: run `make lock`"


def test_tests_run_on_what_the_server_runs_on() -> None:
    assert set(map(str, pins("server.lock"))) <= set(map(str, pins("dev.lock")))


# --- the compose file --------------------------------------------------------------------------


def compose_config(
    *options: str, file: Path = COMPOSE_FILE, env_file: Path = ENV_EXAMPLE
) -> subprocess.CompletedProcess[str]:
    """Docker's own reading of a compose file, every profile included; needs no engine."""
    binary = Path(sysconfig.get_path("scripts")) / "docker-compose"
    command = [binary, "--file", file, "--env-file", env_file, "--profile", "*", "config"]
    return subprocess.run(
        [*map(str, command), *options],
        env={"HOME": str(file.parent)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    run = compose_config("--format", "json")
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)["services"]
    return found


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("condition: service_healthy", "condition: service_happy", "condition"),
        ("kafka: {condition", "kafkaa: {condition", "kafkaa"),
        ("healthcheck:", "healthchek:", "healthchek"),
        ("grafana-data:/var", "grafana:/var", "grafana"),
    ],
)
def test_broken_compose_file_is_rejected(
    tmp_path: Path, right: str, wrong: str, complaint: str
) -> None:
    text = COMPOSE_FILE.read_text()
    assert right in text
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(text.replace(right, wrong, 1))
    run = compose_config("--quiet", file=broken)
    assert run.returncode != 0
    assert complaint in run.stderr


def test_compose_does_not_start_without_a_password(tmp_path: Path) -> None:
    env_file = tmp_path / "env"
    env_file.write_text(ENV_EXAMPLE.read_text().replace("GRAFANA_ADMIN_PASSWORD", "FORGOTTEN"))
    run = compose_config("--quiet", env_file=env_file)
    assert run.returncode != 0
    assert "required variable GRAFANA_ADMIN_PASSWORD is missing a value" in run.stderr


def test_compose_variables_are_the_documented_ones() -> None:
    used = set(re.findall(r"\$\{(\w+)", COMPOSE_FILE.read_text()))
    assert used == set(re.findall(r"^(\w+)=", ENV_EXAMPLE.read_text(), re.MULTILINE))


def test_compose_sets_what_the_server_reads(services: dict[str, Any]) -> None:
    told = {name for service in services.values() for name in service.get("environment", {})}
    told = {name for name in told if name.startswith("ANDON_")}
    assert told
    known = {f"ANDON_{field.upper()}" for field in Settings.model_fields}
    assert told <= known | {f"ANDON_API_{field.upper()}" for field in ApiSettings.model_fields}


def test_compose_keeps_the_api_from_whom_nobody_knows(services: dict[str, Any]) -> None:
    api = services["api"]
    given = {
        name.removeprefix("ANDON_API_").lower(): value
        for name, value in api["environment"].items()
        if name.startswith("ANDON_API_")
    }
    settings = load_api_settings(**given, insecure_http="--insecure-http" in api["command"])
    assert settings.authenticated
    assert f":{settings.port}/readyz" in " ".join(api["healthcheck"]["test"])
    [data] = api["volumes"]
    assert settings.tokens is not None
    assert str(settings.tokens.parent) == data["target"]


def test_compose_mounts_a_policy_that_can_be_read(services: dict[str, Any]) -> None:
    volumes = services["monitor"]["volumes"]
    [policy] = [volume for volume in volumes if volume["target"].endswith(".yaml")]
    assert policy["target"] in services["monitor"]["command"]
    assert load_policies(policy["source"]).policies


def test_mounted_paths_are_in_the_repository(services: dict[str, Any]) -> None:
    volumes = [volume for service in services.values() for volume in service.get("volumes", [])]
    sources = [Path(volume["source"]) for volume in volumes if volume["type"] == "bind"]
    assert sources
    assert [str(source) for source in sources if not source.exists()] == []


def test_nothing_listens_beyond_this_machine(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}


def test_images_are_pinned_and_services_tell_their_health(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert "build" in service or re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name
        assert "healthcheck" in service or service["restart"] == "no", name
