"""Wiring: the gateway of a deployment, made from its settings."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack

from services.distribution.visit_tokens import VisitTokens
from services.gateway.conversation import Conversations
from services.gateway.limits import Limits
from services.gateway.server import Parts
from services.gateway.video_page import ROOMS, VideoPage
from services.http_door.authentication import Authentication
from services.http_door.gate_line import GateLine
from services.http_door.wiring import LateKeys, open_identity, open_issuer
from services.identity.directory import Directory
from services.identity.tokens import TokenIssuer, issuer_of
from services.live.engine import open_engine
from services.query_api.keys import BearerKey, check_address
from services.settings import Settings


async def open_parts(
    settings: Settings, stack: AsyncExitStack, conversations: Conversations | None = None
) -> Parts:
    """
    Make what the settings ask for; it is closed with *stack*. Raises Failure.

    *conversations* stand for the engine in tests.
    """
    check_address(
        settings.gateway_host,
        remote_allowed=settings.gateway_allow_remote,
        setting="VITO_GATEWAY",
    )
    gate = GateLine(settings.nats("gateway"), name="vito-gateway")
    stack.push_async_callback(gate.close)
    directory = await stack.enter_async_context(Directory(settings.postgres_reader()))
    oidc = await open_issuer(settings, stack)
    identity = open_identity(settings, stack, directory, oidc)
    signer = TokenIssuer(
        LateKeys(settings.token_keys()), issuer=issuer_of(settings.deployment), clock=_now_us
    )
    engine: Conversations
    if conversations is None:
        engine = await stack.enter_async_context(open_engine(settings))
    else:
        engine = conversations
    return Parts(
        host=settings.gateway_host,
        port=settings.gateway_port,
        # The deployment's own key opens everything: whoever faces the public is not told it.
        authentication=Authentication(None, identity),
        directory=directory,
        gate=gate,
        tokens=VisitTokens(signer, clock=_now_us),
        conversations=engine,
        limits=Limits(
            connections_max=settings.gateway_connections_max,
            tenant_connections_max=settings.gateway_tenant_connections_max,
        ),
        clock_s=time.monotonic,
        clock_us=_now_us,
        watcher=_watcher(settings),
        proxies=settings.api_proxies,
        shows_meter=settings.development,
        video=VideoPage(settings.sandbox_url or ROOMS, settings.room_script),
    )


def _watcher(settings: Settings) -> BearerKey | None:
    key = settings.gateway_metrics_key
    return None if key is None else BearerKey(key.reveal(), setting="VITO_GATEWAY_METRICS_KEY")


def _now_us() -> int:
    return time.time_ns() // 1_000
