"""What is set on this machine: the policies, and the keys."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator

from andon.errors import PolicyError, Problem
from andon.policy_file import draft_of_book, draft_policies, read_policies
from andon.yaml_lines import Draft
from streams.doctor.finding import Finding, fail, ok, warn
from streams.policy_check import problems_of
from streams.policy_topic import held
from streams.settings import Settings


def policy(settings: Settings) -> Iterator[Finding]:
    """The policies, of the file if there is one, otherwise of the broker, have no mistakes."""
    from_topic = settings.policies_from_topic or not settings.policy.exists()
    name = "the broker's policies" if from_topic else str(settings.policy)
    try:
        draft = _of_broker(settings) if from_topic else _of_file(settings)
    except PolicyError as error:
        yield from map(_problem, error.problems)
        return
    if draft is None:
        fix = "name a file in ANDON_POLICY, or andon policy push FILE"
        yield fail(f"there is no {settings.policy}, and the broker holds none", fix)
        return
    problems = problems_of(draft, settings.events_kept_s)
    yield from map(_problem, problems)
    if not problems:
        yield ok(f"{name} can be used, and nothing in it looks like a mistake")


def _of_file(settings: Settings) -> Draft:
    return draft_policies(read_policies(settings.policy), str(settings.policy))


def _of_broker(settings: Settings) -> Draft | None:
    book = asyncio.run(held(settings.bootstrap_servers)).book()
    return draft_of_book(book, "the broker's policies") if book else None


def _problem(problem: Problem) -> Finding:
    says = f"{problem.file}:{problem.line}: {problem.field}: {problem.message}"
    return (warn if problem.warning else fail)(says, "correct it; andon policy check tells more")


def keys(settings: Settings) -> Iterator[Finding]:
    """Commands are signed here, and guards with the same settings obey them."""
    signer, verifier = settings.keys
    if verifier is None:
        fix = "andon keys new FILE; ANDON_SIGNING_KEY here, ANDON_VERIFY_KEYS for guards"
        yield warn("commands are not signed", fix)
        return
    if signer is None:
        fix = "name a private key in ANDON_SIGNING_KEY"
        yield warn("signatures are checked; what is written here is not signed", fix)
        return
    trusted = [key.strip() for key in settings.verify_keys.split(",")]
    if settings.verify_keys and signer.public not in trusted:
        fix = f"add {signer.public} to ANDON_VERIFY_KEYS"
        yield fail("guards with these ANDON_VERIFY_KEYS refuse what is signed here", fix)
        return
    assert settings.signing_key is not None
    if settings.signing_key.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        fix = f"chmod 600 {settings.signing_key}"
        yield warn(f"{settings.signing_key} can be read by other users", fix)
        return
    yield ok(f"signed with {signer.public}")
