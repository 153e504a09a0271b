"""`vito callout`: the process that lets keys and tokens into the bus."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import uvloop

from services import logs
from services.callout import keys, process
from services.http_door.gate_line import GateLine
from services.identity import api_key, denials, signing_keys
from services.identity.directory import Directory
from services.identity.jwks import JwksFile
from services.identity.tokens import TokenVerifier, issuer_of
from services.run_file import settings as read_settings
from services.settings import Settings
from services.supervisor.readiness import announce


def callout() -> None:
    """
    Let bearers of API keys and tokens into the bus, each to the subjects of one twin.

    Run two: the bus lets nobody new in with a key while there is none. Who is in stays in.
    """
    settings = read_settings(os.environ)
    logs.configure("callout", level=settings.log_level)
    uvloop.run(_main(settings))


async def _main(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    # Everything that can be missing is looked for before anybody is heard.
    login = settings.nats("callout")
    callout_keys = keys.open_keys(settings.callout_keys(), development=settings.development)
    tokens = TokenVerifier(
        _public_keys(settings),
        issuer=issuer_of(settings.deployment),
        door="bus",
        clock=process.now_us,
    )
    gate = GateLine(settings.nats("doorkeeper"))
    try:
        async with Directory(settings.postgres_callout()) as directory:
            await process.serve(
                login,
                callout_keys,
                tokens,
                directory,
                api_key.parse,
                denials.through(gate),
                stop=stop,
                ready=announce,
            )
    finally:
        await gate.close()


def _public_keys(settings: Settings) -> JwksFile:
    if settings.development:
        # Whoever needs the keys first makes them.
        signing_keys.open_keys(settings.token_keys(), development=True, now_s=int(time.time()))
    return JwksFile(settings.token_jwks(), clock=time.monotonic)
