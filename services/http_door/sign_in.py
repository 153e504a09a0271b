"""
Signing in and out: a session for an e-mail address and its password, or for a one-time link.

Whoever asks learns nothing of who has an account: an unknown address, a wrong password and an
account that cannot be used take the same time and are answered in the same words.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Annotated, Any, Final, Protocol, TypeVar

import msgspec
from aiohttp import web

from services import logs
from services.http_door import body, cross_site, session
from services.http_door.authentication import Directory
from services.http_door.caller import CALLER, Caller
from services.http_door.endpoint import Endpoint, Handler
from services.http_door.me import Me, describe
from services.http_door.slowing import Patience, Slowing, address_of
from services.identity.directory import AccountRecord, DirectoryDown
from services.identity.passwords import Verified
from services.identity.random_secret import digest
from services.query_api.problems import (
    BODY_TOO_LARGE,
    CANNOT_VERIFY,
    CROSS_SITE_REFUSED,
    IDENTITY_UNAVAILABLE,
    MALFORMED_COMMAND,
    MEDIA_TYPE_REFUSED,
    OVERLOADED,
    SIGN_IN_REFUSED,
    SIGN_IN_SLOWED,
    HttpProblem,
)
from services.variables import Network

SESSION_S: Final = 12 * 3_600
# A person mistypes; a list of leaked passwords does not stop at five.
BY_EMAIL: Final = Patience(free=5)
# Many people may share an address.
BY_ADDRESS: Final = Patience(free=50)
HASHES_WAITING_MAX: Final = 32
NOTES_MAX: Final = 64
# What was done in the log shows in the tables a moment later, and the next request looks there.
SHOWN_WITHIN_S: Final = 2.0
SHOWN_EVERY_S: Final = 0.01
_US: Final = 1_000_000
_AGENT_CHARS_MAX: Final = 120

T = TypeVar("T")


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody signs in with."""

    email: Annotated[
        str,
        msgspec.Meta(
            min_length=3,
            max_length=254,
            description="the e-mail address of the account",
            examples=["andres@example.com"],
        ),
    ]
    password: Annotated[
        str,
        msgspec.Meta(min_length=1, max_length=1_024, description="the password, kept nowhere"),
    ]

    def __repr__(self) -> str:
        return "Credentials([hidden])"


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A one-time link, which signs in whom it was made for, once."""

    token: Annotated[
        str,
        msgspec.Meta(
            pattern="^[0-9A-Za-z]{43}$(?!\\n)",
            description="the end of the link, after the #",
            examples=["0" * 43],
        ),
    ]

    def __repr__(self) -> str:
        return "Link([hidden])"


class SignInNotPossible(Exception):
    """The log did not take the session: the link was used, the account is locked or waits."""


class Accounts(Protocol):
    """
    The accounts in the log. Each raises CannotVerify when the gate did not answer.

    `open_session` raises SignInNotPossible. Nothing else happens twice if it is asked twice.
    """

    async def open_session(
        self,
        person: str,
        session_hash: bytes,
        *,
        expires_at_us: int,
        user_agent: str,
        link: str | None,
    ) -> None: ...

    async def close_session(self, person: str, session_hash: bytes) -> None: ...

    async def count_failure(self, person: str) -> None: ...


class CannotVerify(Exception):
    """Nobody knows whether the log has taken it."""


class Passwords(Protocol):
    """
    See `services.identity.passwords`: compares, slowly and a few at a time.

    An empty hash is wrong, and takes as long.
    """

    async def verify(self, password: str, kept: str) -> Verified: ...


class SignInParts(msgspec.Struct, frozen=True):
    """What signing in needs. *clock* is microseconds since 1970, *clock_s* monotonic seconds."""

    directory: Directory
    accounts: Accounts
    passwords: Passwords
    clock: Callable[[], int]
    clock_s: Callable[[], float]
    proxies: Sequence[Network] = ()


_FORM = (BODY_TOO_LARGE, MEDIA_TYPE_REFUSED, MALFORMED_COMMAND)
_SIGN_IN = (*_FORM, SIGN_IN_REFUSED, SIGN_IN_SLOWED, CROSS_SITE_REFUSED, OVERLOADED)

SIGN_IN: Final = Endpoint(
    "POST",
    "/v1/sign-in",
    "signIn",
    "Sign in with e-mail address and password; the session comes as a cookie.",
    Me,
    Credentials,
    problems=(*_SIGN_IN, IDENTITY_UNAVAILABLE, CANNOT_VERIFY),
    open=True,
)
SIGN_IN_BY_LINK: Final = Endpoint(
    "POST",
    "/v1/sign-in/link",
    "signInByLink",
    "Sign in with a one-time link; the session comes as a cookie.",
    Me,
    Link,
    problems=(*_SIGN_IN, IDENTITY_UNAVAILABLE, CANNOT_VERIFY),
    open=True,
)
SIGN_OUT: Final = Endpoint(
    "POST",
    "/v1/sign-out",
    "signOut",
    "End the session of the cookie, everywhere.",
    None,
    problems=(CROSS_SITE_REFUSED, CANNOT_VERIFY),
)


class SignIn:
    """Opens and ends sessions. `close` ends what runs in the background."""

    def __init__(self, parts: SignInParts) -> None:
        self._parts = parts
        self._by_email = Slowing(BY_EMAIL, parts.clock_s)
        self._by_address = Slowing(BY_ADDRESS, parts.clock_s)
        self._waiting = 0
        self._notes: set[asyncio.Task[None]] = set()

    def handlers(self) -> dict[Endpoint, Handler]:
        """Who answers what."""
        return {
            SIGN_IN: self._with_password,
            SIGN_IN_BY_LINK: self._with_link,
            SIGN_OUT: self._out,
        }

    async def close(self) -> None:
        """Let what is on its way to the log arrive."""
        await asyncio.gather(*self._notes, return_exceptions=True)

    # -- Signing in ------------------------------------------------------------------

    async def _with_password(self, request: web.Request) -> web.StreamResponse:
        cross_site.check_origin(request, must_say=False)
        said = body.checked(await body.read(request), Credentials)
        email = _name(said.email.strip().lower())
        address = self._attempt(request, email)
        account = await _asked(self._parts.directory.account_by_email(said.email))
        is_right = await self._is_right(account, said.password)
        if account is None or not is_right or not self._is_usable(account):
            if account is not None and not is_right:
                # Afterwards, so that it takes no time that an unknown address would not take.
                self._note(self._parts.accounts.count_failure(account.person))
            logs.get().warning("sign_in_refused", how="password", remote=address)
            raise _refused()
        self._by_email.forget(email)
        self._by_address.give_back(_name(address))
        return await self._opened(request, account.person, link=None)

    async def _with_link(self, request: web.Request) -> web.StreamResponse:
        cross_site.check_origin(request, must_say=False)
        said = body.checked(await body.read(request), Link)
        link_hash = digest(said.token)
        address = self._attempt(request, link_hash)
        found = await _asked(self._parts.directory.find_link(link_hash))
        if found is None or not found.is_usable(self._parts.clock()):
            logs.get().warning("sign_in_refused", how="link", remote=address)
            raise _refused()
        self._by_address.give_back(_name(address))
        return await self._opened(request, found.person, link=said.token)

    def _attempt(self, request: web.Request, email: bytes) -> str:
        """Count an attempt and return its address; raises HttpProblem (429) for one too many."""
        address = address_of(request, self._parts.proxies)
        by_address = _name(address)
        wait_s = max(self._by_email.wait_s(email), self._by_address.wait_s(by_address))
        if wait_s > 0:
            logs.get().warning("sign_in_slowed", remote=address, wait_s=round(wait_s, 1))
            raise HttpProblem(
                SIGN_IN_SLOWED,
                "Too many attempts with this e-mail address or from this place.",
                headers={"Retry-After": str(math.ceil(wait_s))},
            )
        self._by_email.begin(email)
        self._by_address.begin(by_address)
        return address

    def _is_usable(self, account: AccountRecord) -> bool:
        return not account.locked and self._parts.clock() >= account.blocked_until_us

    async def _is_right(self, account: AccountRecord | None, password: str) -> bool:
        """Compare a password; of nobody, or of who has none, with one that is never right."""
        kept = account.password_hash if account is not None else ""
        if self._waiting >= HASHES_WAITING_MAX:
            raise HttpProblem(OVERLOADED, "Too many people are signing in.")
        self._waiting += 1
        try:
            return (await self._parts.passwords.verify(password, kept)).is_right
        finally:
            self._waiting -= 1

    async def _opened(
        self, request: web.Request, person: str, *, link: str | None
    ) -> web.StreamResponse:
        parts = self._parts
        opened = session.new()
        expires_at_us = parts.clock() + SESSION_S * _US
        try:
            await parts.accounts.open_session(
                person,
                opened.session_hash,
                expires_at_us=expires_at_us,
                user_agent=_agent(request),
                link=link,
            )
        except SignInNotPossible:
            logs.get().warning("sign_in_refused", how="log", person=person)
            raise _refused() from None
        except CannotVerify as unknown:
            raise HttpProblem(CANNOT_VERIFY, str(unknown)) from None
        await self._end_earlier(request)
        await self._shown(opened.session_hash, is_open=True)
        me = await self._describe(person, opened.secret, expires_at_us)
        logs.get().info("signed_in", person=person, by_link=link is not None)
        response = web.json_response(body=me.model_dump_json().encode())
        session.put(response, opened.secret, max_age_s=SESSION_S)
        return response

    async def _describe(self, person: str, secret: str, expires_at_us: int) -> Me:
        account = await _asked(self._parts.directory.account(person))
        roles = await _asked(self._parts.directory.roles_of(person))
        caller = Caller(
            kind="person",
            id=person,
            roles=roles,
            is_admin=account is not None and account.is_admin,
            expires_at_us=expires_at_us,
            csrf_token=session.csrf_token(secret),
        )
        return describe(caller)

    # -- Signing out -----------------------------------------------------------------

    async def _out(self, request: web.Request) -> web.StreamResponse:
        caller = request[CALLER]
        if caller.session_hash:
            try:
                await self._parts.accounts.close_session(caller.id, caller.session_hash)
            except CannotVerify as unknown:
                raise HttpProblem(CANNOT_VERIFY, str(unknown)) from None
            await self._shown(caller.session_hash, is_open=False)
            logs.get().info("signed_out", person=caller.id)
        response = web.Response(status=204)
        session.take(response)
        return response

    async def _end_earlier(self, request: web.Request) -> None:
        """End the session that the browser had before: it will never show it again."""
        secret = session.in_cookie(request)
        if secret is None:
            return
        earlier = session.hash_of(secret)
        found = await _asked(self._parts.directory.find_session(earlier))
        if found is not None and not found.closed:
            self._note(self._parts.accounts.close_session(found.person, earlier))

    async def _shown(self, session_hash: bytes, *, is_open: bool) -> None:
        """Wait until the tables say so; not for ever, for the log says so already."""
        try:
            async with asyncio.timeout(SHOWN_WITHIN_S):
                while True:
                    found = await self._parts.directory.find_session(session_hash)
                    if (found is not None and not found.closed) == is_open:
                        return
                    await asyncio.sleep(SHOWN_EVERY_S)
        except (TimeoutError, DirectoryDown):
            logs.get().warning("session_not_shown_yet", is_open=is_open)

    def _note(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something written down that nobody waits for."""
        if len(self._notes) >= NOTES_MAX:
            work.close()
            logs.get().warning("sign_in_note_dropped")
            return
        task = asyncio.create_task(_quietly(work))
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)


async def _quietly(work: Awaitable[None]) -> None:
    try:
        await work
    except (CannotVerify, SignInNotPossible) as problem:
        logs.get().warning("sign_in_note_lost", reason=str(problem))


async def _asked(question: Awaitable[T]) -> T:
    try:
        return await question
    except DirectoryDown as down:
        raise HttpProblem(IDENTITY_UNAVAILABLE, down.message) from None


def _name(text: str) -> bytes:
    # A table of addresses and e-mails would be a list of people; and names have no bound.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _agent(request: web.Request) -> str:
    told = request.headers.get("User-Agent", "")
    return "".join(c for c in told if c.isascii() and c.isprintable())[:_AGENT_CHARS_MAX]


def _refused() -> HttpProblem:
    return HttpProblem(
        SIGN_IN_REFUSED,
        "The e-mail address, the password or the link is wrong, or the account cannot be used now.",
    )
