"""
Signing in at an external issuer in a browser: the authorization code flow with PKCE (OpenID Connect
Core 1.0 section 3.1, RFC 7636, RFC 9207).

What comes back through the browser is a code and nothing else. It is worth something only together
with the verifier of this very attempt; the token comes from the issuer itself, and must name the
nonce of the attempt.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Callable
from typing import Final, NamedTuple
from urllib.parse import quote_plus, urlencode

import aiohttp
import msgspec

from services import logs
from services.failure import Failure
from services.identity.oidc import External, OidcVerifier
from services.identity.oidc_keys import CannotVerify, Discovery, OidcKeys
from services.identity.trusted_url import check_address
from services.secret import Secret
from services.settings import Settings

# `email` names people; the issuer leaves out what it does not know.
SCOPE: Final = "openid email"
ANSWER_BYTES_MAX: Final = 65_536
TIMEOUT_S: Final = 3.0
_OK: Final = 200
_IS_ERROR: Final = re.compile(r"[a-z_]{1,40}")


class CodeRefused(Failure):
    """A code that the issuer does not exchange, or an answer that is not to our question."""


class Attempt(NamedTuple):
    """One attempt to sign in, known to one browser: three texts that nobody can guess."""

    state: str
    nonce: str
    verifier: str

    def __repr__(self) -> str:
        return "Attempt([hidden])"

    @property
    def challenge(self) -> str:
        """What the issuer is told of the verifier (RFC 7636 section 4.2, S256)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class Client(msgspec.Struct, frozen=True):
    """What the issuer knows this deployment as. Without a *secret* it is a public client."""

    client_id: str
    secret: Secret | None
    redirect_url: str


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str


class _Error(msgspec.Struct, frozen=True):
    error: str = ""


class CodeFlow:
    """Sends people to the issuer, and reads who they are when they come back."""

    def __init__(
        self,
        keys: OidcKeys,
        verifier: OidcVerifier,
        session: aiohttp.ClientSession,
        client: Client,
    ) -> None:
        self._keys = keys
        self._verifier = verifier
        self._session = session
        self._client = client

    async def begin(self, attempt: Attempt) -> str:
        """Return the address at the issuer where somebody signs in; raises CannotVerify."""
        discovery = await self._keys.discovery()
        address = _usable(discovery.authorization_endpoint)
        question = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": self._client.redirect_url,
            "scope": SCOPE,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        return f"{address}{'&' if '?' in address else '?'}{urlencode(question)}"

    async def finish(self, attempt: Attempt, code: str, issuer: str | None) -> External:
        """
        Say who has signed in. *issuer*: the parameter `iss` that came with the code.

        Raises CodeRefused, TokenRefused, and CannotVerify when the issuer cannot be asked.
        """
        discovery = await self._keys.discovery()
        says_who = discovery.authorization_response_iss_parameter_supported
        if issuer != discovery.issuer and (says_who or issuer is not None):
            raise CodeRefused("The code is of another issuer.", "begin again.")
        token = await self._exchanged(discovery, attempt, code)
        return await self._verifier.verify(token, nonce=attempt.nonce)

    async def _exchanged(self, discovery: Discovery, attempt: Attempt, code: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._client.redirect_url,
            "code_verifier": attempt.verifier,
        }
        try:
            async with asyncio.timeout(TIMEOUT_S):
                status, content = await self._post(discovery, form)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as problem:
            raise _unavailable(type(problem).__name__) from None
        if status != _OK:
            raise _explained(status, content)
        try:
            return msgspec.json.decode(content, type=_Tokens).id_token
        except msgspec.DecodeError:
            # The cause is left out: it may quote a token.
            raise _unavailable("no id_token") from None

    async def _post(self, discovery: Discovery, form: dict[str, str]) -> tuple[int, bytes]:
        client, headers = self._client, {}
        methods = discovery.token_endpoint_auth_methods_supported
        if client.secret is not None and "client_secret_basic" in methods:
            headers["Authorization"] = _basic(client.client_id, client.secret.reveal())
        else:
            form["client_id"] = client.client_id
            if client.secret is not None:
                form["client_secret"] = client.secret.reveal()
        async with self._session.post(
            _usable(discovery.token_endpoint), data=form, headers=headers, allow_redirects=False
        ) as response:
            content = bytearray()
            async for piece in response.content.iter_chunked(8_192):
                content += piece
                if len(content) > ANSWER_BYTES_MAX:
                    raise ValueError("too large")
            return response.status, bytes(content)


class Oidc(NamedTuple):
    """An issuer's tokens; *codes* also for signing in at it in a browser."""

    verifier: OidcVerifier
    codes: CodeFlow | None


def open_oidc(
    settings: Settings,
    session: aiohttp.ClientSession,
    *,
    redirect_path: str,
    clock: Callable[[], int],
    monotonic: Callable[[], float],
) -> Oidc | None:
    """
    Make what the settings ask for; None when nobody signs in elsewhere.

    *redirect_path*: where browsers come back to, below VITO_API_PUBLIC_URL; without that no
    browser can.
    """
    chosen = settings.oidc()
    if chosen is None:
        return None
    issuer, audience = chosen
    keys = OidcKeys(issuer, session, clock=monotonic)
    verifier = OidcVerifier(
        keys, issuer=issuer, audience=audience, claim=settings.oidc_person_claim, clock=clock
    )
    if settings.api_public_url is None:
        return Oidc(verifier, None)
    redirect_url = f"{settings.api_public_url}{redirect_path}"
    client = Client(audience, settings.oidc_client_secret, redirect_url)
    return Oidc(verifier, CodeFlow(keys, verifier, session, client))


def _usable(endpoint: str) -> str:
    try:
        # An address may say in its query which of several sign-ins it is.
        check_address(endpoint.partition("?")[0])
    except ValueError:
        raise _unavailable("it names no address to sign in at") from None
    return endpoint


def _basic(client_id: str, secret: str) -> str:
    # RFC 6749 section 2.3.1: both are spelled as in a form first.
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _explained(status: int, content: bytes) -> Failure:
    try:
        error = msgspec.json.decode(content, type=_Error).error
    except msgspec.DecodeError:
        error = ""
    if error == "invalid_grant":
        return CodeRefused("The issuer does not take the code: it was used before.", "begin again.")
    # What the issuer says goes into the log only if it cannot be anything but a word.
    return _unavailable(error if _IS_ERROR.fullmatch(error) else f"status {status}")


def _unavailable(reason: str) -> CannotVerify:
    logs.get().warning("oidc_code_not_exchanged", reason=reason)
    return CannotVerify("The issuer cannot be asked who has signed in.", "try again in a minute.")
