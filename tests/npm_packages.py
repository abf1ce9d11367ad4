"""Packages of npm that hold generated documents to their formats; see npm/package.json."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

import pytest

MANIFEST = Path(__file__).parent / "npm" / "package.json"
FOLDER = Path(__file__).parents[1] / "build" / "npm"
INSTALL = (
    *("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"),
    *("--fetch-retries=1", "--fetch-timeout=20000", "--loglevel=error"),
)


@functools.cache
def node_modules() -> Path:
    """The folder of the pinned packages, installed once.

    Skips the test where npm is missing or its registry out of reach: only these checks need
    Node, and each document is checked in other ways as well.
    """
    installed = FOLDER / "installed.json"
    if not (installed.is_file() and installed.read_bytes() == MANIFEST.read_bytes()):
        if shutil.which("npm") is None:
            pytest.skip("npm is not installed")
        FOLDER.mkdir(parents=True, exist_ok=True)
        shutil.copy(MANIFEST, FOLDER)
        done = subprocess.run(INSTALL, cwd=FOLDER, capture_output=True, text=True, timeout=300)
        if done.returncode:
            pytest.skip(f"npm cannot install the pinned packages: {done.stderr.strip()[-200:]}")
        shutil.copy(MANIFEST, installed)
    return FOLDER / "node_modules"
