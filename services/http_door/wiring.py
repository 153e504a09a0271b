"""Wiring: the doors of a deployment, made from its settings."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.account import PLATFORM
from services.client import GateClient
from services.client.connection import of_login
from services.distribution.media_key import media_of
from services.distribution.visit_tokens import VisitTokens
from services.failure import Failure
from services.http_door import oidc_sign_in, webhooks
from services.http_door.accounts import GateAccounts
from services.http_door.authentication import CannotTell, CredentialRefused, Identity
from services.http_door.doors import Doors
from services.http_door.gate_line import GateLine
from services.http_door.rooms import Rooms
from services.identity import jwks, signing_keys
from services.identity.api_key import environment_of
from services.identity.directory import Directory
from services.identity.jwks import JwksFile, JwksUnusable
from services.identity.last_used import LastUsed
from services.identity.oidc import External, OidcVerifier
from services.identity.oidc_code import Oidc, open_oidc
from services.identity.passwords import Passwords
from services.identity.signing_keys import SigningKeyFile
from services.identity.tokens import Claims, TokenIssuer, TokenRefused, TokenVerifier, issuer_of
from services.live.parts import Parts, open_parts
from services.settings import Settings
from services.twins.booth import Booth
from services.twins.calibration import SHOWN_S, Studio, Take, complete
from services.vendors.key_trial import KeyTested, try_key

DOOR: Final = "api"
_US: Final = 1_000_000


async def open_doors(settings: Settings, stack: AsyncExitStack, gate: GateLine) -> Doors:
    """Make what the settings ask for; it is closed with *stack*. Raises Failure."""
    directory = await stack.enter_async_context(Directory(settings.postgres_reader()))
    issuer = TokenIssuer(
        LateKeys(settings.token_keys()), issuer=issuer_of(settings.deployment), clock=_now_us
    )
    oidc = await open_issuer(settings, stack)
    tester = LateTester(settings, stack)
    booth = Booth(tester.make_samples, time.monotonic)
    stack.push_async_callback(booth.close)
    return Doors(
        identity=open_identity(settings, stack, directory, oidc),
        gate=gate,
        webhooks=webhooks.of_settings(settings, gate, _now_us),
        accounts=GateAccounts(gate),
        passwords=Passwords(),
        visits=VisitTokens(issuer, clock=_now_us),
        tokens=issuer,
        jwks=lambda: _published(settings.token_jwks()),
        clock_s=time.monotonic,
        proxies=settings.api_proxies,
        codes=None if oidc is None else oidc.codes,
        rooms=_rooms(settings),
        tester=tester,
        booth=booth,
    )


def _rooms(settings: Settings) -> Rooms | None:
    """Where visitors are invited to; None for a deployment that has no agents."""
    if settings.livekit_key is None and settings.livekit_secret is None:
        return None
    return Rooms(media_of(settings), settings.deployment)


def open_identity(
    settings: Settings, stack: AsyncExitStack, directory: Directory, oidc: Oidc | None
) -> Identity:
    """Make what callers are recognised with, at whichever door; it is closed with *stack*."""
    if settings.development:
        # Whoever needs the keys first makes them.
        signing_keys.open_keys(settings.token_keys(), development=True, now_s=int(time.time()))
    keys = JwksFile(settings.token_jwks(), clock=time.monotonic)
    verifier = TokenVerifier(keys, issuer=issuer_of(settings.deployment), door=DOOR, clock=_now_us)
    return Identity(
        directory,
        Tokens(verifier),
        _now_us,
        _noting_use(settings.postgres_reader(), stack),
        environment_of(settings.deployment),
        None if oidc is None else ExternalTokens(oidc.verifier),
    )


async def open_issuer(settings: Settings, stack: AsyncExitStack) -> Oidc | None:
    """Make what the tokens of the external issuer are checked with; None where there is none."""
    if settings.oidc() is None:
        return None
    # Cookies of an issuer are no business of ours, and its redirects are not followed.
    session = await stack.enter_async_context(
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
    )
    return open_oidc(
        settings,
        session,
        redirect_path=oidc_sign_in.CALLBACK_PATH,
        clock=_now_us,
        monotonic=time.monotonic,
    )


def _noting_use(dsn: str, stack: AsyncExitStack) -> Callable[[str, str], None]:
    """Have the last use of each key written now and then, until *stack* ends."""
    used = LastUsed(dsn, _now_us)
    writing = asyncio.create_task(used.run(), name="last-used")

    async def stop() -> None:
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing

    stack.push_async_callback(stop)
    return used.note


class LateTester:
    """See key_testing.Tester. Opens its ways to gate and vendors when the first key is tested."""

    def __init__(self, settings: Settings, stack: AsyncExitStack) -> None:
        self._settings = settings
        self._stack = stack
        self._opening = asyncio.Lock()
        self._opened: tuple[GateClient, Parts] | None = None

    async def test(self, tenant: str, name: str) -> KeyTested:
        """See Tester."""
        gate, parts = await self._open()
        adapters = {**parts.vendors.by_provider(), **{one.provider_id: one for one in parts.live}}
        voice = parts.defaults.voice
        return await try_key(gate.for_tenant(tenant), adapters, name, voice=voice)

    async def make_samples(self, tenant: str, keep: Callable[[Take], None]) -> None:
        """See booth.Maker."""
        gate, parts = await self._open()
        # A sandbox shows nothing that a person could look at.
        shown_s = SHOWN_S if self._settings.sandbox_url is None else 0.0
        await complete(gate.for_tenant(tenant), Studio(parts=parts, shown_s=shown_s, keep=keep))

    async def _open(self) -> tuple[GateClient, Parts]:
        async with self._opening:
            if self._opened is None:
                async with AsyncExitStack() as opening:
                    settings = self._settings
                    parts = await open_parts(settings, opening)
                    # Last to open and first to close: what is booked on leaving may take a while.
                    client = GateClient.connect(
                        **of_login(settings.nats("http")),
                        tenant=PLATFORM,
                        hold_ms_max=settings.hold_s * 1_000,
                    )
                    self._opened = await opening.enter_async_context(client), parts
                    await self._stack.enter_async_context(opening.pop_all())
            return self._opened


class Tokens:
    """See authentication.TokenVerifier."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    def verify(self, text: str) -> Claims:
        """See TokenVerifier."""
        try:
            return self._verifier.verify(text)
        except TokenRefused as refused:
            raise CredentialRefused(refused.message) from None
        except Failure as failure:
            raise CannotTell("Tokens cannot be verified right now.") from failure


class ExternalTokens:
    """See authentication.ExternalVerifier."""

    def __init__(self, verifier: OidcVerifier) -> None:
        self._verifier = verifier

    async def verify(self, text: str) -> External:
        """See ExternalVerifier."""
        try:
            return await self._verifier.verify(text)
        except TokenRefused as refused:
            raise CredentialRefused(refused.message) from None
        except Failure as failure:
            raise CannotTell("The issuer's tokens cannot be verified right now.") from failure


class LateKeys:
    """
    The keys that sign, read when the first token is asked for; see tokens.Signer.

    A door that nobody asks for one works without them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: SigningKeyFile | None = None

    def signer(self) -> tuple[str, Ed25519PrivateKey]:
        """Return the kid and the key that signs; raises Failure when the file is unusable."""
        if self._keys is None:
            keys = signing_keys.open_keys(self._path, development=False, now_s=_now_us() // _US)
            self._keys = SigningKeyFile(self._path, keys, clock=time.monotonic)
        return self._keys.signer()


def _published(path: Path) -> dict[str, Any]:
    """Read the file anew, so that a key is published the moment it is there; raises Failure."""
    try:
        return jwks.document(jwks.read(path.read_bytes()))
    except (OSError, ValueError) as problem:
        raise JwksUnusable(f"{path} does not hold public keys.", "correct it.") from problem


def _now_us() -> int:
    return time.time_ns() // 1_000
