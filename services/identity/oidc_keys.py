"""
What an external issuer publishes, found by discovery (OpenID Connect Discovery 1.0) and kept for a
while: its keys, and where people sign in.

An issuer is another machine: it can be away, slow, huge, or somebody else. So everything has an
end and a size, only https is spoken (http to this machine, for tests), nothing is redirected, and
tokens with invented key ids make us ask at most once a minute. Keys are believed for as long as
`MAX_AGE_S`; when they are older and the issuer does not answer, nobody can be verified.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import jwt
import msgspec

from services import logs
from services.failure import Failure
from services.identity.trusted_url import check_address

DOCUMENT_BYTES_MAX: Final = 65_536
KEYS_MAX: Final = 64
TIMEOUT_S: Final = 3.0
# Fetched anew after this; believed for MAX_AGE_S while the issuer does not answer.
FRESH_S: Final = 600.0
MAX_AGE_S: Final = 3_600.0
UNKNOWN_AGAIN_S: Final = 60.0
FAILED_AGAIN_S: Final = 5.0
_OK: Final = 200


class CannotVerify(Failure):
    """The issuer's keys cannot be had: nobody is let in, and nobody is called a liar (503)."""

    status = 503


class Discovery(msgspec.Struct, frozen=True):
    """
    What an issuer says of itself, as far as it is used here.

    Who only shows tokens of it needs none of the addresses for signing in.
    """

    issuer: str
    jwks_uri: str
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class _Set(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


class OidcKeys:
    """The public keys of *issuer* by kid, and its addresses. *clock*: monotonic seconds."""

    def __init__(
        self, issuer: str, session: aiohttp.ClientSession, *, clock: Callable[[], float]
    ) -> None:
        check_address(issuer)
        self._issuer = issuer
        self._session = session
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._discovery = Discovery(issuer, "")
        self._fetched_at_s: float | None = None
        self._asked_at_s: float | None = None
        self._failed = False
        self._one_at_a_time = asyncio.Lock()

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the key, None if the issuer has none of this name; raises CannotVerify."""
        await self._ask_if_due(kid)
        return self._keys.get(kid)

    async def discovery(self) -> Discovery:
        """Return what the issuer says of itself; raises CannotVerify."""
        await self._ask_if_due(None)
        return self._discovery

    async def _ask_if_due(self, kid: str | None) -> None:
        if self._should_ask(kid):
            async with self._one_at_a_time:
                # Who waited here meanwhile has been served by the one before.
                if self._should_ask(kid):
                    await self._refresh()
        if self._age_s() > MAX_AGE_S:
            raise CannotVerify(
                f"The keys of {self._issuer} cannot be fetched.", "ask again in a minute."
            )

    def _should_ask(self, kid: str | None) -> bool:
        if self._asked_at_s is None:
            return True
        since_s = self._clock() - self._asked_at_s
        if self._failed:
            return since_s >= FAILED_AGAIN_S
        is_known = kid is None or kid in self._keys
        return since_s >= (FRESH_S if is_known else UNKNOWN_AGAIN_S)

    def _age_s(self) -> float:
        return float("inf") if self._fetched_at_s is None else self._clock() - self._fetched_at_s

    async def _refresh(self) -> None:
        # Noted when it is over: who comes meanwhile waits for it.
        try:
            async with asyncio.timeout(TIMEOUT_S):
                self._discovery, self._keys = await self._fetch()
            self._failed = False
            self._fetched_at_s = self._clock()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as problem:
            self._failed = True
            logs.get().warning(
                "oidc_keys_not_fetched", issuer=self._issuer, problem=type(problem).__name__
            )
        finally:
            self._asked_at_s = self._clock()

    async def _fetch(self) -> tuple[Discovery, dict[str, jwt.PyJWK]]:
        well_known = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        found = msgspec.json.decode(await self._get(well_known), type=Discovery)
        if found.issuer != self._issuer:
            raise ValueError("the document is another issuer's")
        check_address(found.jwks_uri)
        keys = msgspec.json.decode(await self._get(found.jwks_uri), type=_Set).keys
        if len(keys) > KEYS_MAX:
            raise ValueError(f"more than {KEYS_MAX} keys")
        return found, dict(usable for key in keys if (usable := _usable(key)) is not None)

    async def _get(self, url: str) -> bytes:
        async with self._session.get(url, allow_redirects=False) as response:
            if response.status != _OK:
                raise ValueError(f"status {response.status}")
            content = bytearray()
            async for piece in response.content.iter_chunked(8_192):
                content += piece
                if len(content) > DOCUMENT_BYTES_MAX:
                    raise ValueError("too large")
            return bytes(content)


def _usable(key: dict[str, Any]) -> tuple[str, jwt.PyJWK] | None:
    """Take a key that signs and has a name; others in the set are no business of ours."""
    kid = key.get("kid")
    if not isinstance(kid, str) or key.get("use", "sig") != "sig" or "d" in key:
        return None
    # A symmetric key in a public document is no secret: what it "signs", anybody can.
    if key.get("kty") not in {"RSA", "EC", "OKP"}:
        return None
    try:
        return kid, jwt.PyJWK(key)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
