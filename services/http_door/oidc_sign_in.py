"""
Signing in at the issuer of the deployment, in a browser.

    GET /sign-in/oidc            -> the issuer, with a cookie that only this attempt has
    GET /sign-in/oidc/callback   <- the issuer, with a code; -> /sign-in with a session

Everything that binds the way back to the way out (`state`, `nonce`, the verifier of PKCE) is
derived from that cookie, so nothing is kept here, any process can finish what another has begun,
and a link with somebody else's code signs nobody in. Whoever the issuer vouches for gets the
session of the account that its claim names: nobody gets an account by signing in.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final, TypeVar

import msgspec
from aiohttp import web

from services import logs
from services.failure import Failure
from services.http_door import session, sign_in_page
from services.http_door.attempts import Attempts
from services.http_door.authentication import Directory, account_of
from services.http_door.endpoint import Endpoint, Handler
from services.http_door.opening import SESSION_S, Opening, asked
from services.identity.oidc_code import Attempt, CodeFlow, CodeRefused
from services.identity.random_secret import SECRET_CHARS, generate
from services.identity.tokens import TokenRefused
from services.query_api.problems import (
    CANNOT_VERIFY,
    EXTERNAL_REFUSED,
    IDENTITY_UNAVAILABLE,
    INVALID_PARAMETER,
    OIDC_NOT_OFFERED,
    OVERLOADED,
    SIGN_IN_NOT_BEGUN,
    SIGN_IN_REFUSED,
    SIGN_IN_SLOWED,
    FieldError,
    HttpProblem,
)

BEGIN_PATH: Final = sign_in_page.OIDC_PATH
CALLBACK_PATH: Final = "/sign-in/oidc/callback"
COOKIE: Final = "__Host-vito-oidc"
# A person looks for their phone, and types a second factor.
ATTEMPT_S: Final = 600
# Each asks the issuer.
AT_ONCE_MAX: Final = 32
CODE_CHARS_MAX: Final = 2_048
_US: Final = 1_000_000
_CONTEXT: Final = "vito-oidc/1"
_IS_COOKIE: Final = re.compile(rf"(?P<at_s>[0-9]{{1,12}})\.[0-9A-Za-z]{{{SECRET_CHARS}}}")
_IS_ERROR: Final = re.compile(r"[a-z_]{1,40}")
_FORGET: Final = f"{COOKIE}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"

T = TypeVar("T")

BEGIN: Final = Endpoint(
    "GET",
    BEGIN_PATH,
    "beginOidcSignIn",
    "Send a browser to the issuer, to sign in there.",
    None,
    problems=(OIDC_NOT_OFFERED, IDENTITY_UNAVAILABLE, OVERLOADED),
    open=True,
    redirects=True,
)
CALLBACK: Final = Endpoint(
    "GET",
    CALLBACK_PATH,
    "finishOidcSignIn",
    "Where the issuer sends a browser back to; the session comes as a cookie.",
    None,
    query={
        "code": "what the issuer exchanges for a token",
        "state": "what it was sent there with",
        "error": "why there is no code",
        "iss": "who says so (RFC 9207)",
    },
    problems=(
        INVALID_PARAMETER,
        SIGN_IN_NOT_BEGUN,
        EXTERNAL_REFUSED,
        SIGN_IN_REFUSED,
        OIDC_NOT_OFFERED,
        SIGN_IN_SLOWED,
        IDENTITY_UNAVAILABLE,
        CANNOT_VERIFY,
        OVERLOADED,
    ),
    open=True,
    redirects=True,
)


class _Answer(msgspec.Struct, frozen=True):
    """What the issuer has sent a browser back with; empty for what it did not say."""

    state: str
    code: str
    error: str
    issuer: str | None


class OidcSignIn:
    """
    Signs people in whom an issuer vouches for. Without *codes* nobody is.

    *opening* and *attempts* are those of every way of signing in. *clock*: microseconds since 1970.
    """

    def __init__(
        self,
        codes: CodeFlow | None,
        opening: Opening,
        attempts: Attempts,
        directory: Directory,
        clock: Callable[[], int],
    ) -> None:
        self._codes = codes
        self._opening = opening
        self._attempts = attempts
        self._directory = directory
        self._clock = clock
        self._running = 0

    def handlers(self) -> dict[Endpoint, Handler]:
        """Who answers what."""
        return {
            BEGIN: _for_people(self._begin, offers_oidc=self._codes is not None),
            CALLBACK: _for_people(self._finish, offers_oidc=self._codes is not None),
        }

    # -- The way out -----------------------------------------------------------------

    async def _begin(self, request: web.Request) -> web.StreamResponse:
        codes = self._offered()
        if request.headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"}:
            # Another site may show somebody the page, and not sign them in unasked.
            return _elsewhere(sign_in_page.PATH)
        cookie = f"{self._clock() // _US}.{generate()[0]}"
        async with self._one_of_a_few():
            address = await _told(codes.begin(_attempt(cookie)))
        response = _elsewhere(address)
        response.set_cookie(
            COOKIE,
            cookie,
            path="/",
            secure=True,
            httponly=True,
            samesite="Lax",
            max_age=ATTEMPT_S,
        )
        return response

    # -- The way back ----------------------------------------------------------------

    async def _finish(self, request: web.Request) -> web.StreamResponse:
        codes, answer = self._offered(), _answer(request)
        attempt = self._begun(request, answer.state)
        address = self._attempts.begin(request)
        try:
            person = await self._person(codes, attempt, answer)
        except HttpProblem as problem:
            logs.get().warning("external_sign_in_refused", code=problem.kind.code, remote=address)
            problem.headers["Set-Cookie"] = _FORGET
            raise
        self._attempts.was_right(address)
        opened = await self._opening.open(request, person, how="oidc")
        response = _elsewhere(sign_in_page.PATH)
        response.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
        session.put(response, opened.secret, max_age_s=SESSION_S)
        return response

    def _begun(self, request: web.Request, state: str) -> Attempt:
        """Return the attempt that this browser has begun; raises HttpProblem (400)."""
        cookie = request.cookies.get(COOKIE, "")
        begun = _IS_COOKIE.fullmatch(cookie)
        if begun is None:
            raise HttpProblem(SIGN_IN_NOT_BEGUN, "The browser did not send the cookie of it.")
        if not 0 <= self._clock() // _US - int(begun["at_s"]) < ATTEMPT_S:
            raise HttpProblem(SIGN_IN_NOT_BEGUN, "It was begun too long ago.")
        attempt = _attempt(cookie)
        if not hmac.compare_digest(state.encode("utf-8", "replace"), attempt.state.encode()):
            raise HttpProblem(SIGN_IN_NOT_BEGUN, "The state is not the one that it was begun with.")
        return attempt

    async def _person(self, codes: CodeFlow, attempt: Attempt, answer: _Answer) -> str:
        if answer.error:
            # Only words of RFC 6749 are repeated: anybody can write anything into an address.
            why = answer.error if _IS_ERROR.fullmatch(answer.error) else "something else"
            raise HttpProblem(EXTERNAL_REFUSED, f"The issuer has sent no code, but {why}.")
        if not answer.code:
            raise _unusable("code", "must be there", "Come from the issuer.")
        async with self._one_of_a_few():
            found = await _told(codes.finish(attempt, answer.code, answer.issuer))
        account = await asked(account_of(self._directory, found))
        if account is None:
            raise HttpProblem(
                EXTERNAL_REFUSED, "Nobody of this name has an account here that can be used."
            )
        return account.person

    # -- Both ------------------------------------------------------------------------

    def _offered(self) -> CodeFlow:
        if self._codes is None:
            raise HttpProblem(OIDC_NOT_OFFERED, "No issuer is configured for browsers.")
        return self._codes

    @asynccontextmanager
    async def _one_of_a_few(self) -> AsyncIterator[None]:
        if self._running >= AT_ONCE_MAX:
            raise HttpProblem(OVERLOADED, "Too many people are signing in.")
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1


def _attempt(cookie: str) -> Attempt:
    """Derive what binds the way back to the way out: who has the cookie can, and nobody else."""

    def derived(what: str) -> str:
        mac = hmac.digest(cookie.encode(), f"{_CONTEXT}/{what}".encode(), "sha256")
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()

    return Attempt(derived("state"), derived("nonce"), derived("verifier"))


def _answer(request: web.Request) -> _Answer:
    def one(name: str) -> str | None:
        values = request.query.getall(name, [])
        if len(values) > 1 or any(len(value) > CODE_CHARS_MAX for value in values):
            rule = f"must be there once, with {CODE_CHARS_MAX} letters at most"
            raise _unusable(name, rule, "Come from the issuer.")
        return values[0] if values else None

    return _Answer(one("state") or "", one("code") or "", one("error") or "", one("iss"))


def _unusable(name: str, rule: str, remedy: str) -> HttpProblem:
    error = FieldError(field=name, rule=rule, remedy=remedy)
    return HttpProblem(INVALID_PARAMETER, f"{name}: {rule}", errors=[error])


async def _told(question: Awaitable[T]) -> T:
    """Ask the issuer; raises HttpProblem."""
    try:
        return await question
    except (CodeRefused, TokenRefused) as refused:
        raise HttpProblem(EXTERNAL_REFUSED, refused.message) from None
    except Failure as failure:
        raise HttpProblem(IDENTITY_UNAVAILABLE, failure.message) from None


def _elsewhere(address: str) -> web.Response:
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": address})


def _for_people(handler: Handler, *, offers_oidc: bool) -> Handler:
    """Show a browser the page instead of a problem: somebody sits there."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except HttpProblem as problem:
            if "text/html" not in request.headers.get("Accept", ""):
                raise
            return sign_in_page.explain(request, problem, offers_oidc=offers_oidc)

    return handle
