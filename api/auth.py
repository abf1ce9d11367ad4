"""Who calls, and whether they may."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from api.oidc import IssuerError, Oidc
from api.problems import ProblemError
from api.scopes import ANYONE, Caller, Scope
from api.settings import ApiSettings
from api.tokens import PREFIX, Tokens, TokensError

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    description="A token of `andon api token`, or an access token (JWT) of the OIDC issuer. "
    "The roles are the scopes that it must have.",
)


class Auth:
    """Tokens of the file, tokens of the issuer, or neither: then anyone on this machine may.

    Raises:
        TokensError: the file cannot be read.
    """

    def __init__(self, settings: ApiSettings) -> None:
        self._open = not settings.authenticated
        self._tokens = Tokens(settings.tokens) if settings.tokens else None
        self._oidc = (
            Oidc(settings.oidc_issuer, settings.oidc_audience or "", settings.oidc_user_claim)
            if settings.oidc_issuer
            else None
        )

    async def caller(self, token: str | None) -> Caller:
        """Whose token it is. Raises ProblemError 401, or 503 where that cannot be told now."""
        if self._open:
            return ANYONE
        if token is None:
            raise _unknown("say who you are: send the header `Authorization: Bearer <token>`")
        try:
            if self._tokens and (known := self._tokens.caller(token)):
                return known
            if self._oidc and not token.startswith(PREFIX):
                return await self._oidc.caller(token)
        except ValueError as error:
            raise _unknown(f"the token is not valid: {error}", "invalid_token") from None
        except (IssuerError, TokensError) as error:
            raise ProblemError(503, str(error), headers={"Retry-After": "10"}) from None
        raise _unknown("the token is not known: ask for one that is", "invalid_token")


async def identify(
    needed: SecurityScopes,
    request: Request,
    given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Caller:
    """The caller, who has every scope that the route needs."""
    auth: Auth = request.app.state.auth
    caller = await auth.caller(given.credentials if given else None)
    if missing := [scope for scope in needed.scopes if scope not in caller.scopes]:
        told = f'Bearer error="insufficient_scope", scope="{" ".join(missing)}"'
        raise ProblemError(
            403,
            f"{caller.name} lacks the scope {', '.join(missing)}",
            headers={"WWW-Authenticate": told},
        )
    return caller


def _unknown(detail: str, error: str | None = None) -> ProblemError:
    told = f'Bearer error="{error}"' if error else "Bearer"
    return ProblemError(401, detail, headers={"WWW-Authenticate": told})


EventsWriter = Annotated[Caller, Security(identify, scopes=[Scope.EVENTS_WRITE])]
PermitsAsker = Annotated[Caller, Security(identify, scopes=[Scope.PERMITS_ASK])]
BreakersReader = Annotated[Caller, Security(identify, scopes=[Scope.BREAKERS_READ])]
BreakersWriter = Annotated[Caller, Security(identify, scopes=[Scope.BREAKERS_WRITE])]
ApprovalsReader = Annotated[Caller, Security(identify, scopes=[Scope.APPROVALS_READ])]
ApprovalsWriter = Annotated[Caller, Security(identify, scopes=[Scope.APPROVALS_WRITE])]
PoliciesReader = Annotated[Caller, Security(identify, scopes=[Scope.POLICIES_READ])]
PoliciesWriter = Annotated[Caller, Security(identify, scopes=[Scope.POLICIES_WRITE])]
AuditReader = Annotated[Caller, Security(identify, scopes=[Scope.AUDIT_READ])]
