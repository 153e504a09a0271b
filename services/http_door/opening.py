"""Opening a session: what every way of signing in ends in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from aiohttp import web

from services import logs
from services.http_door import session
from services.http_door.authentication import Directory
from services.identity.directory import AccountRecord, DirectoryDown
from services.query_api.problems import (
    CANNOT_VERIFY,
    IDENTITY_UNAVAILABLE,
    SIGN_IN_REFUSED,
    HttpProblem,
)

SESSION_S: Final = 12 * 3_600
NOTES_MAX: Final = 64
# What was done in the log shows in the tables a moment later, and the next request looks there.
SHOWN_WITHIN_S: Final = 2.0
SHOWN_EVERY_S: Final = 0.01
_US: Final = 1_000_000
_AGENT_CHARS_MAX: Final = 120

T = TypeVar("T")


class SignInNotPossible(Exception):
    """The log did not take the session: the link was used, the account is locked or waits."""


class CannotVerify(Exception):
    """Nobody knows whether the log has taken it."""


class Accounts(Protocol):
    """
    The accounts in the log. Each raises CannotVerify when the gate did not answer.

    `open_session`, `register` and `set_password` raise SignInNotPossible. Nothing else happens
    twice if it is asked twice.
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

    async def register(self, person: str, email: str, password_hash: str) -> bool:
        """Make an account; False when there is one with this address."""
        ...

    async def close_session(self, person: str, session_hash: bytes) -> None: ...

    async def count_failure(self, person: str) -> None: ...

    async def rehash_password(self, person: str, old_hash: str, new_hash: str) -> None: ...

    async def set_password(self, person: str, new_hash: str, keep_session: bytes) -> None: ...


class Opened(NamedTuple):
    """A session that was opened: the cookie's text, and until when."""

    secret: str
    expires_at_us: int


class Opening:
    """Opens sessions in the log. `close` ends what runs in the background."""

    def __init__(self, directory: Directory, accounts: Accounts, clock: Callable[[], int]) -> None:
        self._directory = directory
        self._accounts = accounts
        self._clock = clock
        self._notes: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Let what is on its way to the log arrive."""
        await asyncio.gather(*self._notes, return_exceptions=True)

    async def open(
        self, request: web.Request, person: str, *, how: str, link: str | None = None
    ) -> Opened:
        """
        Open a session for somebody who has shown who they are; raises HttpProblem.

        *how* is for the log; a *link* is used up by it.
        """
        made = session.new()
        expires_at_us = self._clock() + SESSION_S * _US
        try:
            await self._accounts.open_session(
                person,
                made.session_hash,
                expires_at_us=expires_at_us,
                user_agent=_agent(request),
                link=link,
            )
        except SignInNotPossible:
            logs.get().warning("sign_in_refused", how="log", person=person)
            raise refused() from None
        except CannotVerify as unknown:
            raise HttpProblem(CANNOT_VERIFY, str(unknown)) from None
        await self._end_earlier(request)
        await self.shown(made.session_hash, is_open=True)
        logs.get().info("signed_in", person=person, how=how)
        return Opened(made.secret, expires_at_us)

    async def _end_earlier(self, request: web.Request) -> None:
        """End the session that the browser had before: it will never show it again."""
        secret = session.in_cookie(request)
        if secret is None:
            return
        earlier = session.hash_of(secret)
        found = await asked(self._directory.find_session(earlier))
        if found is not None and not found.closed:
            self.note(self._accounts.close_session(found.person, earlier))

    async def shown(self, session_hash: bytes, *, is_open: bool) -> None:
        """Wait until the tables say so; not for ever, for the log says so already."""

        async def is_so() -> bool:
            found = await self._directory.find_session(session_hash)
            return (found is not None and not found.closed) == is_open

        await _until("session", is_so)

    async def counts(self, person: str, password_hash: str) -> None:
        """Wait, as `shown` does, until a new password opens."""

        async def is_so() -> bool:
            found = await self._directory.account(person)
            return found is not None and found.password_hash == password_hash

        await _until("password", is_so)

    async def joined(self, person: str, tenant: str) -> None:
        """Wait, as `shown` does, until somebody belongs to a twin."""

        async def is_so() -> bool:
            return tenant in await self._directory.roles_of(person)

        await _until("member", is_so)

    async def account(self, email: str) -> AccountRecord | None:
        """Wait, as `shown` does, for an account that the log has; None when it is not shown."""

        async def is_so() -> bool:
            return await self._directory.account_by_email(email) is not None

        await _until("account", is_so)
        return await asked(self._directory.account_by_email(email))

    def note(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something written down that nobody waits for."""
        if len(self._notes) >= NOTES_MAX:
            work.close()
            logs.get().warning("sign_in_note_dropped")
            return
        task = asyncio.create_task(_quietly(work))
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)


async def _until(what: str, is_so: Callable[[], Awaitable[bool]]) -> None:
    try:
        async with asyncio.timeout(SHOWN_WITHIN_S):
            while True:
                if await is_so():
                    return
                await asyncio.sleep(SHOWN_EVERY_S)
    except (TimeoutError, DirectoryDown):
        logs.get().warning("not_shown_yet", what=what)


async def asked(question: Awaitable[T]) -> T:
    """Ask the directory; raises HttpProblem (503) when it is away."""
    try:
        return await question
    except DirectoryDown as down:
        raise HttpProblem(IDENTITY_UNAVAILABLE, down.message) from None


def refused() -> HttpProblem:
    """Say that nobody was signed in, in the same words whatever the reason."""
    return HttpProblem(
        SIGN_IN_REFUSED,
        "The e-mail address, the password or the link is wrong, or the account cannot be used now.",
    )


async def _quietly(work: Awaitable[None]) -> None:
    try:
        await work
    except (CannotVerify, SignInNotPossible) as problem:
        logs.get().warning("sign_in_note_lost", reason=str(problem))


def _agent(request: web.Request) -> str:
    told = request.headers.get("User-Agent", "")
    return "".join(c for c in told if c.isascii() and c.isprintable())[:_AGENT_CHARS_MAX]
