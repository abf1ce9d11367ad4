"""Every error as RFC 9457 problem details: what is wrong, with which field, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from andon.errors import BrokerError, TransitionError
from streams.approvals import ApprovalError
from streams.orders import GenerationError
from streams.reopening import SecondPersonError

MEDIA_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """One mistake in a request."""

    field: str = Field(description="the field, with dots; `record` stands for the whole")
    detail: str = Field(description="what is wrong with it, and how it has to be")
    index: int | None = Field(None, description="the item's place in a batch, from 0")


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str = Field(description="this request, as in the header X-Request-Id")
    errors: list[FieldProblem] | None = Field(None, description="every mistake, not only the first")
    approval: str | None = Field(
        None, description="the request that another person has to approve, in /v1/approvals"
    )


class ProblemError(Exception):
    """Ends a request with problem details."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
        approval: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.approval = approval


def invalid(errors: Sequence[FieldProblem]) -> ProblemError:
    """422 with all mistakes; its detail tells the first."""
    first = errors[0]
    at = "" if first.index is None else f"item {first.index}: "
    more = f" (and {len(errors) - 1} more, see errors)" if len(errors) > 1 else ""
    return ProblemError(422, f"{at}{first.field}: {first.detail}{more}", errors)


def mistakes(error: ValidationError | RequestValidationError) -> list[FieldProblem]:
    """What pydantic complains of."""
    return [
        FieldProblem(
            field=".".join(map(str, entry["loc"])) or "record",
            detail=str(entry["msg"]).removeprefix("Value error, "),
        )
        for entry in error.errors()
    ]


def answer(request: Request, problem: ProblemError) -> JSONResponse:
    """The response; its body tells the request's id as well."""
    body = Problem(
        title=TITLES.get(problem.status) or HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail,
        instance=f"urn:uuid:{request.state.request_id}",
        errors=problem.errors or None,
        approval=problem.approval,
    )
    return JSONResponse(
        body.model_dump(exclude_none=True),
        problem.status,
        problem.headers,
        media_type=MEDIA_TYPE,
    )


TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""Of RFC 9110, where older versions of Python know older names."""

STATUS: dict[type[Exception], int] = {
    GenerationError: 412,
    TransitionError: 409,
    ApprovalError: 409,
    BrokerError: 503,
}
"""What errors of other rooms mean to a client; the first that fits."""


def install(app: FastAPI) -> None:
    """Have `app` answer every error in this way."""
    app.add_exception_handler(ProblemError, _ours)
    app.add_exception_handler(HTTPException, _of_the_framework)
    app.add_exception_handler(RequestValidationError, _of_parameters)
    for kind in STATUS:
        app.add_exception_handler(kind, _of_other_rooms)
    app.add_exception_handler(Exception, _unforeseen)


async def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProblemError)
    return answer(request, error)


async def _of_the_framework(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    hints = {
        404: f"there is nothing at {request.url.path}; see /openapi.json",
        405: f"{request.method} is not possible at {request.url.path}; see /openapi.json",
    }
    detail = hints.get(error.status_code, error.detail)
    headers = dict(error.headers or {})
    if error.status_code == 405 and (methods := _allowed(request)):
        headers["Allow"] = ", ".join(methods)
    return answer(request, ProblemError(error.status_code, detail, headers=headers))


def _allowed(request: Request) -> list[str]:
    """The methods of all routes at a path; the framework tells those of one."""
    routes: list[Route] = request.app.state.routes
    here = [each for each in routes if each.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in here for method in route.methods or ()})


async def _of_parameters(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return answer(request, invalid(mistakes(error)))


async def _of_other_rooms(request: Request, error: Exception) -> JSONResponse:
    status = next(status for kind, status in STATUS.items() if isinstance(error, kind))
    headers = {"Retry-After": "1"} if status == 503 else {}
    asked = error.request.order.request_id if isinstance(error, SecondPersonError) else None
    return answer(request, ProblemError(status, str(error), headers=headers, approval=asked))


async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    told = "a mistake of Andon's: its log has it under this request's id"
    return answer(request, ProblemError(500, told))
