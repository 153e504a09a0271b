"""
Tokens: who somebody is, for fifteen minutes at most, signed so that a door need not ask.

JWT with EdDSA over Ed25519 and nothing else. The algorithm is ours to say, never the token's; a
token says only which of our keys signed it. It has a type of its own, so that nothing else that
the same keys might sign one day can pass for one, and it is good at one kind of door.

    sub          the principal (contracts.access): person_<id>, visitor_<id>, key_<id>, admin_<id>
    tenant       the only twin that it speaks to; absent for a platform admin
    sid          the session that it was made from, as the directory names it: closing that ends it
    scopes       of a key, deployment, origin and ceiling of a visitor
    iss aud iat nbf exp jti, and `kid` in the header

A token is a cache of a decision. What may be taken back sooner than it ends (a session, a role) is
looked up by the door in addition.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, Protocol, TypeAlias

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from contracts.access import Scope, id_of, kind_of
from contracts.deployment import Ceiling
from contracts.message import ID_PATTERN, TENANT_PATTERN, whole
from services.failure import Failure
from services.identity.jwks import ALGORITHM

TYPE: Final = "vito+jwt"
LIFE_MAX_S: Final = 900
# Clocks of two machines differ; more than this is a clock to be mended.
SKEW_S: Final = 30
CHARS_MAX: Final = 4_096
KINDS: Final = ("person", "admin", "visitor", "key")
_KID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
# RFC 8725: what is not understood is refused, and a token never says where its key is.
_HEADER_FIELDS: Final = {"alg", "kid", "typ"}

# `bus`: a NATS connection. `api`: HTTP and WebSocket.
Door: TypeAlias = Literal["bus", "api"]
_Claim: TypeAlias = Annotated[str, msgspec.Meta(max_length=512)]
_Id: TypeAlias = Annotated[str, msgspec.Meta(pattern=whole(ID_PATTERN))]
_Seconds: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]


class TokenRefused(Failure):
    """A text that is no token for us. *code* says why, for our log: the bearer learns less."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message, "sign in again, or ask for a new token.")
        self.code = code


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a token says. Times in whole seconds since 1970, as JWT has them.

    *tenant* is empty for a platform admin, *session* for a token that no session stands behind.
    """

    principal: str
    tenant: str = ""
    session: str = ""
    scopes: frozenset[Scope] = frozenset()
    deployment: str = ""
    origin: str = ""
    ceiling: Ceiling | None = None
    token_id: str = ""
    issued_at_s: int = 0
    expires_at_s: int = 0


class _Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The claims as they stand in a token."""

    iss: _Claim
    aud: Door
    sub: Annotated[str, msgspec.Meta(max_length=128)]
    jti: _Id
    iat: _Seconds
    nbf: _Seconds
    exp: _Seconds
    tenant: Annotated[str, msgspec.Meta(pattern=whole(TENANT_PATTERN))] | None = None
    sid: _Id | None = None
    scopes: Annotated[list[Scope], msgspec.Meta(max_length=8)] = []
    deployment: _Id | None = None
    origin: _Claim | None = None
    ceiling: Ceiling | None = None


class Signer(Protocol):
    """The keys of who issues."""

    def signer(self) -> tuple[str, Ed25519PrivateKey]: ...


class PublicKeys(Protocol):
    """The keys of who verifies."""

    def find(self, kid: str) -> Ed25519PublicKey | None: ...


class TokenIssuer:
    """Makes tokens. *clock*: microseconds since 1970; *issuer*: see `issuer_of`."""

    def __init__(self, keys: Signer, *, issuer: str, clock: Callable[[], int]) -> None:
        self._keys = keys
        self._issuer = issuer
        self._clock = clock

    def issue(self, claims: Claims, door: Door, *, life_s: int = LIFE_MAX_S) -> str:
        """Sign what *claims* say; its id and times are set here. *life_s*: 1 to LIFE_MAX_S."""
        if not 0 < life_s <= LIFE_MAX_S:
            raise ValueError(f"a token lives 1 to {LIFE_MAX_S} seconds")
        _check_principal(claims.principal, claims.tenant)
        now_s = self._clock() // 1_000_000
        payload = _Payload(
            iss=self._issuer,
            aud=door,
            sub=claims.principal,
            jti=secrets.token_hex(16),
            iat=now_s,
            nbf=now_s,
            exp=now_s + life_s,
            tenant=claims.tenant or None,
            sid=claims.session or None,
            scopes=sorted(claims.scopes),
            deployment=claims.deployment or None,
            origin=claims.origin or None,
            ceiling=claims.ceiling,
        )
        kid, key = self._keys.signer()
        # What could not be read back is not signed.
        content = msgspec.to_builtins(msgspec.convert(msgspec.to_builtins(payload), _Payload))
        return jwt.encode(content, key, algorithm=ALGORITHM, headers={"kid": kid, "typ": TYPE})


class TokenVerifier:
    """Reads tokens for one door. *clock*: microseconds since 1970."""

    def __init__(
        self, keys: PublicKeys, *, issuer: str, door: Door, clock: Callable[[], int]
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._door = door
        self._clock = clock

    def verify(self, text: str) -> Claims:
        """Return what a token says; raises TokenRefused, and JwksUnusable when we cannot tell."""
        key = self._keys.find(_kid_in(text))
        if key is None:
            raise TokenRefused("unknown_key", "The token is signed with a key that is not ours.")
        payload = self._signed(text, key)
        self._check_times(payload)
        _check_principal(payload.sub, payload.tenant or "")
        return Claims(
            principal=payload.sub,
            tenant=payload.tenant or "",
            session=payload.sid or "",
            scopes=frozenset(payload.scopes),
            deployment=payload.deployment or "",
            origin=payload.origin or "",
            ceiling=payload.ceiling,
            token_id=payload.jti,
            issued_at_s=payload.iat,
            expires_at_s=payload.exp,
        )

    def _signed(self, text: str, key: Ed25519PublicKey) -> _Payload:
        try:
            # Times are checked against our own clock, below.
            found: dict[str, Any] = jwt.decode(
                text,
                key,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._door,
                options={
                    "require": ["iss", "aud", "exp", "nbf", "iat", "jti", "sub"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
            return msgspec.convert(found, _Payload)
        except jwt.InvalidIssuerError:
            raise TokenRefused("wrong_issuer", "The token is of another issuer.") from None
        except jwt.InvalidAudienceError:
            raise TokenRefused("wrong_audience", "The token is for another door.") from None
        except jwt.InvalidSignatureError:
            raise TokenRefused("bad_signature", "The token's signature is wrong.") from None
        except (jwt.PyJWTError, msgspec.ValidationError):
            # The cause is left out: it may quote the token.
            raise TokenRefused("malformed", "This is not a token of ours.") from None

    def _check_times(self, payload: _Payload) -> None:
        now_s = self._clock() // 1_000_000
        if payload.exp - payload.iat > LIFE_MAX_S or payload.exp <= payload.nbf:
            raise TokenRefused("malformed", "The token claims a longer life than tokens have.")
        if now_s >= payload.exp + SKEW_S:
            raise TokenRefused("expired", "The token has expired.")
        if max(payload.nbf, payload.iat) > now_s + SKEW_S:
            raise TokenRefused("not_yet_valid", "The token is not valid yet: a clock is wrong.")


def issuer_of(deployment: str) -> str:
    """Name a deployment as the issuer of its tokens: another one's are refused."""
    return f"vito:{deployment}"


def principal_in(text: str) -> str:
    """Return who a token says its bearer is, without believing it: for the bearer's own use."""
    try:
        claims = jwt.decode(text, options={"verify_signature": False})
        principal = claims["sub"]
    except (jwt.PyJWTError, KeyError):
        principal = None
    if not isinstance(principal, str) or not _is_principal(principal):
        raise TokenRefused("malformed", "This is not a token of ours.")
    return principal


def claims_to_be_ours(text: str) -> bool:
    """Whether a token is of the type that ours have; believes nothing else that it says."""
    try:
        return jwt.get_unverified_header(text).get("typ") == TYPE
    except jwt.PyJWTError:
        return False


def _kid_in(text: str) -> str:
    if not text.isascii() or len(text) > CHARS_MAX:
        raise TokenRefused("malformed", "This is not a token of ours.")
    try:
        header = jwt.get_unverified_header(text)
    except jwt.PyJWTError:
        raise TokenRefused("malformed", "This is not a token of ours.") from None
    kid = header.get("kid")
    if (
        header.get("alg") != ALGORITHM
        or header.get("typ") != TYPE
        or not set(header) <= _HEADER_FIELDS
        or not isinstance(kid, str)
        or not _KID.fullmatch(kid)
    ):
        raise TokenRefused("wrong_kind", "The token is of a kind that is not used here.")
    return kid


def _check_principal(principal: str, tenant: str) -> None:
    if not _is_principal(principal) or (kind_of(principal) != "admin") != bool(tenant):
        raise TokenRefused("malformed", "The token names nobody whom tokens are for.")


def _is_principal(text: str) -> bool:
    return kind_of(text) in KINDS and re.fullmatch(ID_PATTERN, id_of(text)) is not None
