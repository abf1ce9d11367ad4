"""`/v1/policies`: what is in force, what would be wrong with others, and new ones."""

from __future__ import annotations

from typing import Any, Self

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from andon.errors import PolicyError, Problem
from andon.policy import PolicyBook
from andon.policy_file import draft_policies
from andon.yaml_lines import Draft
from api.auth import PoliciesReader, PoliciesWriter
from api.backend import Backend, Parts
from api.bodies import read
from api.openapi import ETAG, POLICY_BODY, POLICY_TYPES, answers
from api.preconditions import AnyIfMatch, changed
from api.problems import FieldProblem, ProblemError, invalid
from streams.policy_check import compiled, problems_of
from streams.policy_topic import held, push

router = APIRouter(tags=["policies"])


class Policies(BaseModel):
    """The policies that the broker holds, in their order; none where none were pushed."""

    version: str | None = Field(description="the book's fingerprint, as commands tell it")
    book: dict[str, Any] | None = Field(description="as schemas/policy.schema.json has it")

    @classmethod
    def of(cls, book: PolicyBook | None) -> Self:
        if book is None:
            return cls(version=None, book=None)
        return cls(version=book.fingerprint, book=book.model_dump(mode="json"))


class Doubt(BaseModel):
    """A mistake, or what is only likely to be one."""

    line: int
    field: str
    message: str
    warning: bool


class Review(BaseModel):
    """What `andon policy check` says."""

    valid: bool
    problems: list[Doubt]


@router.get("/v1/policies", operation_id="getPolicies", responses=answers(409, headers=ETAG))
async def get_policies(caller: PoliciesReader, backend: Backend, response: Response) -> Policies:
    """The policies that monitors follow; the ETag is their version."""
    book = await _held(backend)
    response.headers["ETag"] = f'"{book.fingerprint if book else ""}"'
    return Policies.of(book)


@router.post(
    "/v1/policies/validate",
    operation_id="validatePolicies",
    responses=answers(413, 415),
    openapi_extra=POLICY_BODY,
)
async def validate_policies(caller: PoliciesReader, request: Request, backend: Backend) -> Review:
    """Every mistake and every doubt, each with its line; nothing is changed."""
    text = await _text(request)
    try:
        found = problems_of(draft_policies(text, "body"), backend.events_kept_s)
    except PolicyError as error:
        found = list(error.problems)
    doubts = [
        Doubt(line=p.line, field=p.field, message=p.message, warning=p.warning) for p in found
    ]
    return Review(valid=all(doubt.warning for doubt in doubts), problems=doubts)


@router.put(
    "/v1/policies",
    operation_id="putPolicies",
    responses=answers(409, 412, 413, 415, headers=ETAG),
    openapi_extra=POLICY_BODY,
)
async def put_policies(
    caller: PoliciesWriter,
    request: Request,
    backend: Backend,
    response: Response,
    if_match: AnyIfMatch = None,
) -> Policies:
    """Let the broker hold these policies and no others; monitors that follow it take them up."""
    book = _book(await _text(request))
    before = await _held(backend) if if_match else None
    if changed(if_match, before.fingerprint if before else ""):
        raise ProblemError(412, "the policies have changed since: get them again, then decide")
    try:
        await push(backend.bootstrap_servers, book, caller.name)
    except PolicyError as error:
        raise ProblemError(409, str(error)) from None
    response.headers["ETag"] = f'"{book.fingerprint}"'
    return Policies.of(book)


def _book(text: str) -> PolicyBook:
    try:
        draft: Draft = draft_policies(text, "body")
        return compiled(draft).book
    except PolicyError as error:
        raise invalid(list(map(_told, error.problems))) from None


def _told(problem: Problem) -> FieldProblem:
    return FieldProblem(field=problem.field, detail=f"line {problem.line}: {problem.message}")


async def _text(request: Request) -> str:
    body = await read(request, *POLICY_TYPES)
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        told = f"is not UTF-8 at byte {error.start}"
        raise invalid([FieldProblem(field="record", detail=told)]) from None


async def _held(backend: Parts) -> PolicyBook | None:
    try:
        return (await held(backend.bootstrap_servers)).book()
    except PolicyError as error:
        raise ProblemError(409, str(error)) from None
