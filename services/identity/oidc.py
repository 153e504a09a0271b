"""
Tokens of an external issuer (OpenID Connect): who a customer's own sign-in says somebody is.

Nothing of such a token gives a right here. It names a person, by a claim that the deployment
chose; what that person may do is in the log of each twin.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, TypeAlias

import jwt
import msgspec

from services.identity.oidc_keys import OidcKeys
from services.identity.tokens import SKEW_S, TokenRefused

# Asymmetric ones only: with HS256 a public key would be a shared secret that everybody knows.
ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "EdDSA",
)
CHARS_MAX: Final = 16_384
# However long the issuer lets it live.
LIFE_MAX_S: Final = 86_400
RSA_BITS_MIN: Final = 2_048

PersonClaim: TypeAlias = Literal["email", "sub"]
_Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=320)]


class External(msgspec.Struct, frozen=True):
    """Whom an issuer vouches for; *person* is the value of the claim that names people here."""

    issuer: str
    subject: str
    person: str
    claim: PersonClaim
    expires_at_s: int


class _Payload(msgspec.Struct, frozen=True):
    sub: _Text
    exp: int
    iat: int
    nbf: int = 0
    azp: str | None = None
    nonce: str | None = None
    email: _Text | None = None
    email_verified: bool = False


class OidcVerifier:
    """
    Reads tokens of one issuer. *clock*: microseconds since 1970.

    *claim* `email` wants a verified address and compares it in lower case; `sub` takes the
    issuer's own name for the person.
    """

    def __init__(
        self,
        keys: OidcKeys,
        *,
        issuer: str,
        audience: str,
        claim: PersonClaim,
        clock: Callable[[], int],
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._claim = claim
        self._clock = clock

    async def verify(self, text: str, *, nonce: str | None = None) -> External:
        """
        Say who it is; raises TokenRefused, and CannotVerify when the keys cannot be had.

        With a *nonce* the token must be the answer to the very question that named it.
        """
        kid, algorithm = _header(text)
        key = await self._keys.find(kid)
        if key is None:
            raise TokenRefused("unknown_key", "The issuer has no key of that name.")
        # The key says what it is for; the token can only agree.
        if key.algorithm_name != algorithm or not _is_strong(key):
            raise TokenRefused("wrong_kind", "The token is signed in a way that its key is not.")
        payload = self._signed(text, key, algorithm)
        self._check_times(payload)
        if nonce is not None and not _is_same(nonce, payload.nonce):
            raise TokenRefused("wrong_nonce", "The token answers another question.")
        return External(self._issuer, payload.sub, self._person(payload), self._claim, payload.exp)

    def _signed(self, text: str, key: jwt.PyJWK, algorithm: str) -> _Payload:
        try:
            found: dict[str, Any] = jwt.decode(
                text,
                key.key,
                algorithms=[algorithm],
                issuer=self._issuer,
                audience=self._audience,
                options={
                    "require": ["iss", "aud", "exp", "iat", "sub"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
            payload = msgspec.convert(found, _Payload)
        except jwt.InvalidIssuerError:
            raise TokenRefused("wrong_issuer", "The token is of another issuer.") from None
        except jwt.InvalidAudienceError:
            raise TokenRefused("wrong_audience", "The token is for somebody else.") from None
        except jwt.InvalidSignatureError:
            raise TokenRefused("bad_signature", "The token's signature is wrong.") from None
        except (jwt.PyJWTError, msgspec.ValidationError):
            raise TokenRefused("malformed", "This is not a token of the issuer.") from None
        # Made for several: then it says for whom it was made (OpenID Connect Core 3.1.3.7).
        if isinstance(found["aud"], list) and payload.azp not in {None, self._audience}:
            raise TokenRefused("wrong_audience", "The token is for somebody else.")
        return payload

    def _check_times(self, payload: _Payload) -> None:
        now_s = self._clock() // 1_000_000
        if now_s >= payload.exp + SKEW_S or now_s >= payload.iat + LIFE_MAX_S:
            raise TokenRefused("expired", "The token has expired.")
        if max(payload.nbf, payload.iat) > now_s + SKEW_S:
            raise TokenRefused("not_yet_valid", "The token is not valid yet: a clock is wrong.")

    def _person(self, payload: _Payload) -> str:
        if self._claim == "sub":
            return payload.sub
        if payload.email is None or not payload.email_verified:
            raise TokenRefused("no_person", "The issuer does not vouch for an e-mail address.")
        return payload.email.strip().lower()


def _header(text: str) -> tuple[str, str]:
    if not text.isascii() or len(text) > CHARS_MAX:
        raise TokenRefused("malformed", "This is not a token of the issuer.")
    try:
        header = jwt.get_unverified_header(text)
    except jwt.PyJWTError:
        raise TokenRefused("malformed", "This is not a token of the issuer.") from None
    kid, algorithm = header.get("kid"), header.get("alg")
    if not isinstance(kid, str) or algorithm not in ALGORITHMS or "crit" in header:
        raise TokenRefused("wrong_kind", "The token is of a kind that is not used here.")
    return kid, str(algorithm)


def _is_same(nonce: str, found: str | None) -> bool:
    return hmac.compare_digest(nonce.encode(), (found or "").encode("utf-8", "replace"))


def _is_strong(key: jwt.PyJWK) -> bool:
    return key.key_type != "RSA" or key.key.key_size >= RSA_BITS_MIN
