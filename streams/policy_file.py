"""The policy file of a running monitor, looked at again and again."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable
from pathlib import Path

from andon.policy_file import draft_policies, read_policies
from andon.yaml_lines import Draft


class PolicyFile:
    """Reads rather than asks when it was changed: editors replace it, mounts swap links.

    A version is taken once two looks in a row have found it, so that one that is being written
    is not taken for whole.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.check = f"andon policy check {shlex.quote(self.name)}"
        self._path = path
        self._taken: bytes | None = None
        self._seen: bytes | None = None

    def load(self) -> Draft:
        """What it says now. Raises PolicyError."""
        self._taken = self._seen = self._content()
        return self._draft(self._taken)

    async def first(self, tell: Callable[[str], None]) -> Draft:
        """The same; a file is there or it is not."""
        return self.load()

    async def look(self, *, at_once: bool = False) -> Draft | None:
        """A version that was not taken before; with `at_once` what it says now, in any case.

        Raises:
            PolicyError: such a version cannot be used; once for each.
        """
        content = await asyncio.to_thread(self._content)
        whole, self._seen = content == self._seen, content
        if not at_once and (content == self._taken or not whole):
            return None
        self._taken = content
        return self._draft(content)

    async def close(self) -> None:
        """Nothing is open."""

    def _content(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except OSError:
            return None

    def _draft(self, content: bytes | None) -> Draft:
        try:
            if content is not None:
                return draft_policies(content.decode(), self.name)
        except UnicodeDecodeError:
            pass
        return draft_policies(read_policies(self._path), self.name)  # says why it cannot be read
