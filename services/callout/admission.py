"""
Who may come in: one question, one answer, and nobody comes in because we could not tell.

    admitted   a name, rights, and a time at which the server ends the connection
    refused    the secret is wrong, or what it opens is closed; the bearer learns only "no"
    unknown    the directory does not answer: stay silent, for the other callout may know
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple, Protocol, TypeAlias

import msgspec

from contracts.access import Role, Scope, id_of, kind_of
from contracts.account import PLATFORM
from services.callout import rights
from services.callout.connection_name import ConnectionName
from services.callout.request import Login, Question
from services.callout.throttle import Throttle
from services.embedded.nats_permissions import Permissions
from services.failure import Failure
from services.identity.tokens import Claims, TokenRefused, TokenVerifier

# What was changed while nobody heard it is found out at the latest when a connection ends. Not all
# at the same moment: a part of the time is by chance.
LIFE_MIN_S: Final = 2_700
LIFE_MAX_S: Final = 3_600
# Names of logins that are no names of anybody: what stands in the password says who it is.
KEY_LOGIN: Final = "key"
TOKEN_LOGIN: Final = "token"  # noqa: S105 - a name, no password
_US: Final = 1_000_000
_SESSION: Final = re.compile(r"([0-9a-f]{2}){8,32}")
_NO_HASH: Final = bytes(32)


class Key(Protocol):
    """An API key, as the directory knows it. Times in microseconds; None: never."""

    @property
    def tenant(self) -> str: ...
    @property
    def secret_hash(self) -> bytes: ...
    @property
    def scopes(self) -> AbstractSet[Scope]: ...
    @property
    def expires_at_us(self) -> int | None: ...
    @property
    def revoked_at_us(self) -> int | None: ...


class Session(Protocol):
    """A person's session, as the directory knows it."""

    @property
    def person(self) -> str: ...
    @property
    def expires_at_us(self) -> int: ...
    @property
    def closed(self) -> bool: ...


class Change(Protocol):
    """Something that may take a right away: see `services.identity.directory.Change`."""

    @property
    def kind(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def tenant(self) -> str: ...


class Directory(Protocol):
    """Whom we ask. Each raises a Failure when it cannot be asked."""

    async def find_key(self, key_id: str) -> Key | None: ...
    async def roles_of(self, person: str) -> Mapping[str, Role]: ...
    async def find_session(self, session_hash: bytes) -> Session | None: ...
    def changes(self) -> AsyncIterator[Change]: ...


class ParsedKey(Protocol):
    """What the text of a key says."""

    @property
    def key_id(self) -> str: ...
    @property
    def secret_hash(self) -> bytes: ...


class Admitted(msgspec.Struct, frozen=True):
    """Let in, until *expires_at_s* (seconds since 1970)."""

    name: ConnectionName
    rights: Permissions
    expires_at_s: int


class Known(NamedTuple):
    """
    Who was kept out: *principal*, and the *log* that is theirs, a twin's or the platform's.

    *about* is the twin that they wanted, where it is not that one.
    """

    principal: str
    log: str
    about: str = ""


class Refused(msgspec.Struct, frozen=True):
    """
    Kept out. *login* is what may be logged of the login: a key id, never a secret.

    *guessed*: the secret itself was wrong; otherwise it was right once, and *known* says whose it
    was, where that can be said.
    """

    reason: str
    login: str = ""
    guessed: bool = True
    known: Known | None = None


class Unknown(msgspec.Struct, frozen=True):
    """We cannot tell."""

    reason: str


Outcome: TypeAlias = Admitted | Refused | Unknown


class Admission:
    """
    Decides. *parse* takes the text of a key apart and raises a Failure for one that is none.

    *clock*: microseconds since 1970. *chance*: a number from 0 to 1.
    """

    def __init__(
        self,
        directory: Directory,
        tokens: TokenVerifier,
        *,
        parse: Callable[[str], ParsedKey],
        throttle: Throttle,
        clock: Callable[[], int],
        chance: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._tokens = tokens
        self._parse = parse
        self._throttle = throttle
        self._clock = clock
        self._chance = chance

    async def decide(self, question: Question) -> Outcome:
        """Say whether a connection may come in, and count it when it guessed."""
        if question.client_info.kind != "Client":
            return Refused("not_a_client", guessed=False)
        secret = _secret_in(question.connect_opts)
        if secret is None:
            return Refused("no_credential", guessed=False)
        login, look_up = self._reader(secret)
        host = question.client_info.host
        if self._throttle.wait_us(host, login):
            return Refused("slowed", login, guessed=False)
        try:
            outcome = await look_up()
        except Failure as problem:
            return Unknown(type(problem).__name__)
        if isinstance(outcome, Admitted) and outcome.expires_at_s <= self._clock() // _US:
            # A token that only our patience with clocks keeps alive opens nothing that lasts.
            outcome = Refused("just_over", login, guessed=False)
        if isinstance(outcome, Refused):
            self._throttle.failed(host, login, guessed=outcome.guessed)
        elif isinstance(outcome, Admitted):
            self._throttle.succeeded(host, login)
        return outcome

    async def still_stands(self, name: ConnectionName) -> bool:
        """Whether one that was let in would be again; raises a Failure when we cannot tell."""
        now_us = self._clock()
        match kind_of(name.principal):
            case "key":
                key = await self._directory.find_key(id_of(name.principal))
                return key is not None and key.tenant == name.tenant and _is_usable(key, now_us)
            case "person":
                person = id_of(name.principal)
                if await self._session(name.session, person) is None:
                    return False
                return name.tenant in await self._directory.roles_of(person)
            case _:
                return False

    def _reader(self, secret: str) -> tuple[str, Callable[[], Awaitable[Outcome]]]:
        """Say what to call this login, and how to look it up."""
        if secret.count(".") == 2:  # noqa: PLR2004 - a JWT has three parts, a key has no dots
            digest = hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()[:16]
            login = f"token:{digest}"
            return login, lambda: self._by_token(secret, login)
        try:
            key = self._parse(secret)
        except Failure:
            return "", lambda: _now(Refused("malformed"))
        return key.key_id, lambda: self._by_key(key)

    # -- keys ----------------------------------------------------------------------

    async def _by_key(self, key: ParsedKey) -> Outcome:
        found = await self._directory.find_key(key.key_id)
        # Compared in any case, so that the time taken does not tell which ids there are.
        is_same = hmac.compare_digest(key.secret_hash, found.secret_hash if found else _NO_HASH)
        if found is None or not is_same:
            return Refused("wrong_key", key.key_id)
        if not _is_usable(found, self._clock()):
            known = Known(f"key_{key.key_id}", found.tenant)
            return Refused("key_over", key.key_id, guessed=False, known=known)
        return self._admit_key(key.key_id, found, frozenset(found.scopes))

    def _admit_key(self, key_id: str, key: Key, scopes: frozenset[Scope]) -> Outcome:
        principal = f"key_{key_id}"
        may = rights.of_key(key.tenant, principal, scopes)
        return self._admitted(ConnectionName(principal, key.tenant), may, key.expires_at_us)

    # -- tokens --------------------------------------------------------------------

    async def _by_token(self, text: str, login: str) -> Outcome:
        try:
            claims = self._tokens.verify(text)
        except TokenRefused as refused:
            was_right = refused.code in {"expired", "not_yet_valid"}
            return Refused(f"token_{refused.code}", login, guessed=not was_right)
        match kind_of(claims.principal):
            case "key":
                return await self._by_key_token(claims, login)
            case "person":
                return await self._by_person(claims, login)
            case _:
                # Visitors speak to a gateway, platform admins to HTTP.
                known = Known(claims.principal, claims.tenant or PLATFORM)
                return Refused("not_at_this_door", login, guessed=False, known=known)

    async def _by_key_token(self, claims: Claims, login: str) -> Outcome:
        key_id = id_of(claims.principal)
        key = await self._directory.find_key(key_id)
        if key is None:
            return Refused("key_over", login, guessed=False)
        if key.tenant != claims.tenant or not _is_usable(key, self._clock()):
            about = claims.tenant if claims.tenant != key.tenant else ""
            known = Known(claims.principal, key.tenant, about)
            return Refused("key_over", login, guessed=False, known=known)
        outcome = self._admit_key(key_id, key, claims.scopes & key.scopes)
        return _ending(outcome, claims.expires_at_s)

    async def _by_person(self, claims: Claims, login: str) -> Outcome:
        person = id_of(claims.principal)
        # To a twin of which they are no member not even that they tried is told.
        known = Known(claims.principal, PLATFORM, claims.tenant)
        session = await self._session(claims.session, person)
        if session is None:
            return Refused("session_over", login, guessed=False, known=known)
        # Asked now, not believed from the token: a role can be taken away at any moment.
        role = (await self._directory.roles_of(person)).get(claims.tenant)
        if role is None:
            return Refused("no_member", login, guessed=False, known=known)
        name = ConnectionName(claims.principal, claims.tenant, claims.session)
        may = rights.of_person(claims.tenant, claims.principal, role)
        return _ending(self._admitted(name, may, session.expires_at_us), claims.expires_at_s)

    async def _session(self, session: str, person: str) -> Session | None:
        if not _SESSION.fullmatch(session):
            return None
        found = await self._directory.find_session(bytes.fromhex(session))
        if found is None or found.person != person or found.closed:
            return None
        return found if self._clock() < found.expires_at_us else None

    def _admitted(
        self, name: ConnectionName, may: Permissions, expires_at_us: int | None
    ) -> Admitted:
        life_s = LIFE_MIN_S + int(self._chance() * (LIFE_MAX_S - LIFE_MIN_S))
        ends_s = self._clock() // _US + life_s
        if expires_at_us is not None:
            ends_s = min(ends_s, expires_at_us // _US)
        return Admitted(name, may, ends_s)


def _secret_in(login: Login) -> str | None:
    """Return the one secret that was sent; None for none, and for two, of which one would count."""
    found = [login.auth_token] if login.auth_token else []
    if login.user in {KEY_LOGIN, TOKEN_LOGIN} and login.password:
        found.append(login.password)
    elif login.user:
        return None
    return found[0] if len(found) == 1 and not (login.jwt or login.nkey) else None


def _is_usable(key: Key, now_us: int) -> bool:
    is_over = key.expires_at_us is not None and now_us >= key.expires_at_us
    return key.revoked_at_us is None and not is_over


def _ending(outcome: Outcome, at_s: int) -> Outcome:
    """Let nobody stay longer than what let them in."""
    if not isinstance(outcome, Admitted):
        return outcome
    return msgspec.structs.replace(outcome, expires_at_s=min(outcome.expires_at_s, at_s))


async def _now(outcome: Outcome) -> Outcome:
    return outcome
