"""
Authentication: an Authorization header or a session's cookie becomes a caller, or it is a 401.

    Authorization: Bearer vito_<environment>_<id>_<secret>   an API key, looked up and compared
    Authorization: Bearer eyJ...                             a token, verified, then looked up:
                                                             one of ours, or of the issuer where
                                                             people of the deployment sign in
    Authorization: Bearer <the key in .vito/run.json>        the deployment itself: the operator
    Cookie: __Host-vito-session=<secret>                     a person who has signed in

It fails closed: what cannot be looked up is a 503, never a yes. Nothing is cached, so a revocation
counts from the moment that the directory knows of it. A header counts before a cookie, and a header
that is refused is refused: there is no second try as somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

import msgspec
from aiohttp import web

from contracts.access import Role, Scope, id_of, kind_of
from contracts.account import PLATFORM
from contracts.deployment import Ceiling
from services.http_door import session
from services.http_door.caller import Caller
from services.identity.api_key import KeyUnusable, is_same, parse
from services.identity.directory import (
    AccountRecord,
    DirectoryDown,
    InvitationRecord,
    KeyRecord,
    LinkRecord,
    SessionRecord,
)
from services.identity.oidc import External
from services.identity.tokens import claims_to_be_ours
from services.query_api.keys import BearerKey
from services.query_api.problems import (
    IDENTITY_UNAVAILABLE,
    KEY_MISSING,
    KEY_REFUSED,
    HttpProblem,
    KnownCallerRefused,
)

CREDENTIAL_CHARS_MAX: Final = 4_096
_US: Final = 1_000_000
_NOT_VALID: Final = "The key in the Authorization header is not valid."
_SESSION_OVER: Final = "The session has ended. Sign in again."
_NEVER_US: Final = 1 << 62
_IS_TOKEN: Final = re.compile(r"eyJ[A-Za-z0-9_=-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class Directory(Protocol):
    """See `services.identity.directory`: who is who. It raises DirectoryDown."""

    async def find_key(self, key_id: str) -> KeyRecord | None: ...
    async def find_session(self, session_hash: bytes) -> SessionRecord | None: ...
    async def find_link(self, link_hash: bytes) -> LinkRecord | None: ...
    async def invitation(self, invitation_id: str) -> InvitationRecord | None: ...
    async def account(self, person: str) -> AccountRecord | None: ...
    async def account_by_email(self, email: str) -> AccountRecord | None: ...
    async def roles_of(self, person: str) -> Mapping[str, Role]: ...


class Claims(Protocol):
    """
    What a token says whose signature, issuer, audience and times were checked.

    *tenant* is the only twin that it speaks to, empty for an admin's; *session* is the hash, in
    hex, of the session that it was made from; *scopes* are what is left of a key's. *deployment*,
    *origin* and *ceiling* are a visitor's.
    """

    @property
    def principal(self) -> str: ...
    @property
    def tenant(self) -> str: ...
    @property
    def session(self) -> str: ...
    @property
    def scopes(self) -> frozenset[Scope]: ...
    @property
    def expires_at_s(self) -> int: ...
    @property
    def deployment(self) -> str: ...
    @property
    def origin(self) -> str: ...
    @property
    def ceiling(self) -> Ceiling | None: ...


class TokenVerifier(Protocol):
    """Checks tokens. Raises CredentialRefused, or CannotTell when it has no keys to check with."""

    def verify(self, text: str) -> Claims: ...


class ExternalVerifier(Protocol):
    """Checks tokens of an external issuer. Raises the same as TokenVerifier."""

    async def verify(self, text: str) -> External: ...


class CredentialRefused(Exception):
    """A key, token or session that is none of ours, or no longer. Its message may be shown."""


class CannotTell(Exception):
    """Whether a token is one of ours cannot be said right now."""


class KnownRefused(CredentialRefused):
    """One that was right once: *principal* is whose it was, *log* their twin or the platform."""

    def __init__(self, message: str, principal: str, log: str) -> None:
        super().__init__(message)
        self.principal = principal
        self.log = log


class Identity(msgspec.Struct, frozen=True):
    """
    What callers are recognised with. *clock* counts microseconds since the epoch.

    *used* hears of each use of a key, by twin and id. Keys of another *environment* are refused
    unseen; None: there is no such check. *external*: None where nobody signs in elsewhere.
    """

    directory: Directory
    tokens: TokenVerifier
    clock: Callable[[], int]
    used: Callable[[str, str], None]
    environment: str | None = None
    external: ExternalVerifier | None = None


class Presented(msgspec.Struct, frozen=True):
    """What a request shows, spelled right and not yet believed."""

    kind: Callable[[Authentication, str], Awaitable[Caller]]
    text: str


class Authentication:
    """Recognises callers by *operator*, the deployment's own key, and *identity*, who else."""

    def __init__(self, operator: BearerKey | None, identity: Identity | None) -> None:
        self._operator = operator
        self._identity = identity

    # -- Before anything is looked up ------------------------------------------------

    def presented(self, request: web.BaseRequest) -> Presented:
        """Read what a request shows; raises HttpProblem (401). Costs next to nothing."""
        headers = request.headers.getall("Authorization", [])
        if len(headers) > 1:
            raise HttpProblem(KEY_REFUSED, "The request has two Authorization headers.")
        if headers and headers[0]:
            return self._in_header(headers[0])
        secret = session.in_cookie(request)
        if secret is not None and self._identity is not None:
            return Presented(Authentication._of_session, secret)
        raise HttpProblem(KEY_MISSING, "The request has no Authorization header and no session.")

    def _in_header(self, header: str) -> Presented:
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "bearer":
            raise HttpProblem(KEY_MISSING, "The Authorization header is not of the scheme Bearer.")
        return self.bearer(text.strip())

    def bearer(self, text: str) -> Presented:
        """Read a key or token, wherever it stood; raises HttpProblem (401)."""
        if self._operator is not None and self._operator.is_key(text):
            return Presented(Authentication._of_operator, "")
        if self._identity is None or len(text) > CREDENTIAL_CHARS_MAX or not text.isascii():
            raise _refused()
        if _IS_TOKEN.fullmatch(text):
            return Presented(Authentication._of_token, text)
        return Presented(Authentication._of_key, text)

    # -- Who it is -------------------------------------------------------------------

    async def caller(self, presented: Presented) -> Caller:
        """
        Say who this is; raises HttpProblem (401, or 503 when nobody can say).

        KnownCallerRefused is a 401 for somebody who was known.
        """
        try:
            return await presented.kind(self, presented.text)
        except KnownRefused as refused:
            raise KnownCallerRefused(
                str(refused), principal=refused.principal, log=refused.log
            ) from None
        except CredentialRefused as refused:
            raise HttpProblem(KEY_REFUSED, str(refused)) from None
        except KeyUnusable as refused:
            raise HttpProblem(KEY_REFUSED, refused.message) from None
        except DirectoryDown as down:
            raise HttpProblem(IDENTITY_UNAVAILABLE, down.message) from None
        except CannotTell as unknown:
            raise HttpProblem(IDENTITY_UNAVAILABLE, str(unknown)) from None

    async def _of_operator(self, _text: str) -> Caller:
        return Caller(kind="operator")

    async def _of_key(self, text: str) -> Caller:
        parsed = parse(text, self._known.environment)
        record = await self._known.directory.find_key(parsed.key_id)
        # An id that nobody has is compared like one that somebody has.
        expected = record.secret_hash if record else bytes(len(parsed.secret_hash))
        if not is_same(expected, parsed.secret_hash) or record is None:
            raise _refused()
        return self._usable_key(record)

    async def _of_token(self, text: str) -> Caller:
        external = self._known.external
        if external is not None and not claims_to_be_ours(text):
            return await self._vouched_for(await external.verify(text))
        claims = self._known.tokens.verify(text)
        if claims.session:
            await self._open_session(bytes.fromhex(claims.session))
        caller = await self._bearer(claims)
        expires_at_us = min(claims.expires_at_s * _US, caller.expires_at_us or _NEVER_US)
        return msgspec.structs.replace(caller, expires_at_us=expires_at_us, by_token=True)

    async def _vouched_for(self, found: External) -> Caller:
        account = await account_of(self._known.directory, found)
        if account is None:
            raise CredentialRefused("Nobody of this name has an account here that can be used.")
        caller = await self._person_of(account)
        return msgspec.structs.replace(
            caller, expires_at_us=found.expires_at_s * _US, by_token=True
        )

    async def _bearer(self, claims: Claims) -> Caller:
        """A token is a cache of a decision; what may be taken back sooner is looked up."""
        name, tenant = id_of(claims.principal), claims.tenant
        match kind_of(claims.principal):
            case "key":
                record = await self._known.directory.find_key(name)
                if record is None:
                    raise _refused()
                if record.tenant != tenant:
                    raise KnownRefused(_NOT_VALID, claims.principal, record.tenant)
                whole = self._usable_key(record)
                scopes = whole.scopes & claims.scopes
                return msgspec.structs.replace(
                    whole, scopes=scopes, is_narrowed=scopes != whole.scopes
                )
            case "person":
                person = await self._person(name)
                role = person.roles.get(tenant)
                roles = {} if role is None else {tenant: role}
                return msgspec.structs.replace(person, roles=roles, is_admin=False)
            case "admin":
                admin = await self._person(name)
                return msgspec.structs.replace(admin, roles={})
            case "visitor" if tenant:
                return Caller(
                    kind="visitor",
                    id=name,
                    tenant=tenant,
                    deployment=claims.deployment,
                    origin=claims.origin,
                    ceiling=claims.ceiling,
                )
            case _:
                # The operator has a key and no tokens: what is signed can be passed on.
                raise _refused()

    async def _of_session(self, secret: str) -> Caller:
        found = await self._open_session(session.hash_of(secret))
        caller = await self._person(found.person)
        return msgspec.structs.replace(
            caller,
            expires_at_us=found.expires_at_us,
            session_hash=session.hash_of(secret),
            csrf_token=session.csrf_token(secret),
        )

    # -- What is looked up -----------------------------------------------------------

    @property
    def _known(self) -> Identity:
        assert self._identity is not None, "only the operator's key comes this far without it"
        return self._identity

    async def _open_session(self, session_hash: bytes) -> SessionRecord:
        found = await self._known.directory.find_session(session_hash)
        if found is None:
            raise CredentialRefused(_SESSION_OVER)
        if not found.is_usable(self._known.clock()):
            raise KnownRefused(_SESSION_OVER, f"person_{found.person}", PLATFORM)
        return found

    def _usable_key(self, record: KeyRecord) -> Caller:
        # Only who has shown the secret learns what became of the key.
        if not record.is_usable(self._known.clock()):
            what = "has expired" if record.revoked_at_us is None else "was revoked"
            raise KnownRefused(f"The key {what}.", f"key_{record.key_id}", record.tenant)
        self._known.used(record.tenant, record.key_id)
        return Caller(
            kind="key",
            id=record.key_id,
            tenant=record.tenant,
            scopes=record.scopes,
            expires_at_us=record.expires_at_us,
        )

    async def _person(self, person: str) -> Caller:
        account = await self._known.directory.account(person)
        if account is None or account.locked:
            raise KnownRefused("The account cannot be used.", f"person_{person}", PLATFORM)
        return await self._person_of(account)

    async def _person_of(self, account: AccountRecord) -> Caller:
        roles = await self._known.directory.roles_of(account.person)
        return Caller(
            kind="person",
            id=account.person,
            roles=roles,
            is_admin=account.is_admin,
            email=account.email,
        )


async def account_of(directory: Directory, found: External) -> AccountRecord | None:
    """
    Return the account of somebody whom an issuer vouches for.

    None for nobody of ours, and for one that is locked: an issuer says who somebody is, and gives
    them nothing.
    """
    if not (found.person.isascii() and found.person.isprintable()):
        return None
    by_email = found.claim == "email"
    look_up = directory.account_by_email if by_email else directory.account
    account = await look_up(found.person)
    return None if account is None or account.locked else account


def _refused() -> HttpProblem:
    return HttpProblem(KEY_REFUSED, _NOT_VALID)
