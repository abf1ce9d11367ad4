"""If-Match: act only on the generation that the caller has seen."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Header

from api.problems import ProblemError

IfMatch = Annotated[
    str | None,
    Header(
        description='the ETag of the breaker as the caller saw it, as in "7", or * for any',
        pattern=r'^(\*|"[0-9]{1,18}")$',
    ),
]


def expected(if_match: str | None, *, required: bool = False) -> int | None:
    """The generation that must still stand, or None for any. Raises ProblemError 428."""
    if if_match is None and required:
        told = 'If-Match: is required: send the ETag that GET has told, as in "7", or * for any'
        raise ProblemError(428, told)
    found = re.fullmatch(r'"([0-9]+)"', if_match or "")
    return int(found[1]) if found else None


AnyIfMatch = Annotated[
    str | None,
    Header(description="the ETag of the policies as the caller saw them, or * for any"),
]


def changed(if_match: str | None, version: str) -> bool:
    """Whether what stands now is not what the caller has seen."""
    return if_match not in (None, "*", f'"{version}"')
