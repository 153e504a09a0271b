"""
Signing in and out: a session for an e-mail address and its password, or for a one-time link.

Whoever asks learns nothing of who has an account: an unknown address, a wrong password and an
account that cannot be used take the same time and are answered in the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Final, Protocol

import msgspec
from aiohttp import web

from services import logs
from services.http_door import body, cross_site, session
from services.http_door.attempts import Attempts
from services.http_door.authentication import Directory
from services.http_door.caller import CALLER, Caller
from services.http_door.endpoint import Endpoint, Handler
from services.http_door.me import Me, describe
from services.http_door.opening import (
    SESSION_S,
    Accounts,
    CannotVerify,
    Opened,
    Opening,
    SignInNotPossible,
    asked,
    refused,
)
from services.identity.directory import AccountRecord
from services.identity.passwords import PasswordUnusable, Verified
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

HASHES_WAITING_MAX: Final = 32


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
    """
    A one-time link, which signs in whom it was made for, once.

    With a *new_password* it is also how somebody chooses their first, or one for a forgotten one.
    """

    token: Annotated[
        str,
        msgspec.Meta(
            pattern="^[0-9A-Za-z]{43}$(?!\\n)",
            description="the end of the link, after the #",
            examples=["0" * 43],
        ),
    ]
    new_password: Annotated[
        str,
        msgspec.Meta(
            max_length=1_024, description="chosen with it: 12 to 128 characters; empty for none"
        ),
    ] = ""

    def __repr__(self) -> str:
        return "Link([hidden])"


class Passwords(Protocol):
    """
    See `services.identity.passwords`: compares, slowly and a few at a time.

    An empty hash is wrong, and takes as long.
    """

    async def verify(self, password: str, kept: str) -> Verified: ...

    async def hash(self, password: str) -> str: ...


class SignInParts(msgspec.Struct, frozen=True):
    """What signing in needs. *clock* is microseconds since 1970, *clock_s* monotonic seconds."""

    directory: Directory
    accounts: Accounts
    passwords: Passwords
    clock: Callable[[], int]
    clock_s: Callable[[], float]
    proxies: Sequence[Network] = ()


FORM: Final = (BODY_TOO_LARGE, MEDIA_TYPE_REFUSED, MALFORMED_COMMAND)
_SIGN_IN = (*FORM, SIGN_IN_REFUSED, SIGN_IN_SLOWED, CROSS_SITE_REFUSED, OVERLOADED)

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
        self.attempts = Attempts(parts.clock_s, parts.proxies)
        self.opening = Opening(parts.directory, parts.accounts, parts.clock)
        self._waiting = 0

    def handlers(self) -> dict[Endpoint, Handler]:
        """Who answers what."""
        return {
            SIGN_IN: self._with_password,
            SIGN_IN_BY_LINK: self._with_link,
            SIGN_OUT: self._out,
        }

    async def close(self) -> None:
        """Let what is on its way to the log arrive."""
        await self.opening.close()

    # -- Signing in ------------------------------------------------------------------

    async def _with_password(self, request: web.Request) -> web.StreamResponse:
        cross_site.check_origin(request, must_say=False)
        said = body.checked(await body.read(request), Credentials)
        email = said.email.strip().lower()
        address = self.attempts.begin(request, email)
        account = await asked(self._parts.directory.account_by_email(said.email))
        verified = await self.verified(account, said.password)
        if account is None or not verified.is_right or not self._is_usable(account):
            if account is not None and not verified.is_right:
                # Afterwards, so that it takes no time that an unknown address would not take.
                self.opening.note(self._parts.accounts.count_failure(account.person))
            logs.get().warning("sign_in_refused", how="password", remote=address)
            raise refused()
        self.attempts.was_right(address, email)
        response = await self._opened(request, account.person, link=None)
        if verified.rehashed is not None:
            self.opening.note(
                self._parts.accounts.rehash_password(
                    account.person, account.password_hash, verified.rehashed
                )
            )
        return response

    async def _with_link(self, request: web.Request) -> web.StreamResponse:
        cross_site.check_origin(request, must_say=False)
        said = body.checked(await body.read(request), Link)
        link_hash = digest(said.token)
        address = self.attempts.begin(request, link_hash.hex())
        found = await asked(self._parts.directory.find_link(link_hash))
        if found is None or not found.is_usable(self._parts.clock()):
            logs.get().warning("sign_in_refused", how="link", remote=address)
            raise refused()
        self.attempts.was_right(address)
        # Before the link is used up: what is wrong with the password can be corrected then.
        new_hash = ""
        if said.new_password:
            new_hash = await self.hashed(said.new_password, field="new_password")
        return await self._opened(request, found.person, link=said.token, new_hash=new_hash)

    def _is_usable(self, account: AccountRecord) -> bool:
        return not account.locked and self._parts.clock() >= account.blocked_until_us

    async def verified(self, account: AccountRecord | None, password: str) -> Verified:
        """Compare a password; of nobody, or of who has none, with one that is never right."""
        kept = account.password_hash if account is not None else ""
        with self._a_place():
            return await self._parts.passwords.verify(password, kept)

    async def compare(
        self, request: web.Request, account: AccountRecord, password: str, *, field: str
    ) -> None:
        """
        Raise HttpProblem (401) unless this is the account's password, whose *field* it came in.

        Who guesses is slowed and counted, wherever passwords are shown.
        """
        address = self.attempts.begin(request, account.email)
        is_right = (await self.verified(account, password)).is_right
        if not is_right:
            self.opening.note(self._parts.accounts.count_failure(account.person))
        if not is_right or self._parts.clock() < account.blocked_until_us:
            logs.get().warning("password_refused", person=account.person, remote=address)
            raise HttpProblem(SIGN_IN_REFUSED, f"`{field}` is wrong, or cannot be tried now.")
        self.attempts.was_right(address, account.email)

    async def hashed(self, password: str, *, field: str) -> str:
        """Return what is kept of a new password; raises HttpProblem (400) for a bad one."""
        try:
            with self._a_place():
                return await self._parts.passwords.hash(password)
        except PasswordUnusable as bad:
            raise body.malformed(field, bad.message, bad.remedy) from None

    async def chosen(self, person: str, new_hash: str, keep_session: bytes) -> None:
        """Have a new password written down; raises HttpProblem."""
        try:
            await self._parts.accounts.set_password(person, new_hash, keep_session)
        except SignInNotPossible:
            raise refused() from None
        except CannotVerify as unknown:
            raise HttpProblem(CANNOT_VERIFY, str(unknown)) from None
        await self.opening.counts(person, new_hash)

    @contextmanager
    def _a_place(self) -> Iterator[None]:
        """Hold one of the places of those who wait for a hash; raises HttpProblem (503)."""
        if self._waiting >= HASHES_WAITING_MAX:
            raise HttpProblem(OVERLOADED, "Too many people are signing in.")
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def _opened(
        self, request: web.Request, person: str, *, link: str | None, new_hash: str = ""
    ) -> web.StreamResponse:
        how = "password" if link is None else "link"
        opened = await self.opening.open(request, person, how=how, link=link)
        if new_hash:
            await self.chosen(person, new_hash, session.hash_of(opened.secret))
        me = await self._describe(person, opened)
        response = web.json_response(body=me.model_dump_json().encode())
        session.put(response, opened.secret, max_age_s=SESSION_S)
        return response

    async def _describe(self, person: str, opened: Opened) -> Me:
        account = await asked(self._parts.directory.account(person))
        roles = await asked(self._parts.directory.roles_of(person))
        caller = Caller(
            kind="person",
            id=person,
            roles=roles,
            is_admin=account is not None and account.is_admin,
            email="" if account is None else account.email,
            expires_at_us=opened.expires_at_us,
            csrf_token=session.csrf_token(opened.secret),
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
            await self.opening.shown(caller.session_hash, is_open=False)
            logs.get().info("signed_out", person=caller.id)
        response = web.Response(status=204)
        session.take(response)
        return response
