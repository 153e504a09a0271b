"""One server: its parts put together, started in order and stopped in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import msgspec
from aiohttp import web

from services import logs
from services.console.api import PublicApi
from services.console.here import Here
from services.console.site import Console
from services.failure import Failure
from services.http_api import openapi, policy_preview, probes, verification
from services.http_api.app import Api, Limits
from services.http_api.changes import Changes
from services.http_api.log_export import LogExport
from services.http_api.protocol import ApiRunner
from services.http_api.usage_export import UsageExport
from services.http_door.answers import TableAnswers
from services.http_door.authentication import Authentication
from services.http_door.doorman import Doorman
from services.http_door.doors import Doors
from services.http_door.gate_line import GateLine
from services.http_door.idempotency import ByGate, Idempotency
from services.http_door.wiring import open_doors
from services.identity.denials import Denials, noting
from services.prover.asking import ProverLine
from services.query_api.cursors import Cursors
from services.query_api.keys import BearerKey, check_address
from services.query_api.lag import LagGauge, NatsStreamHeads, StreamHeads
from services.query_api.read_side import ReadSide
from services.query_api.routes import ROUTES
from services.settings import Settings

# Requests that are being answered get this long; the whole stop takes less than 3 s.
SHUTDOWN_S = 2.0


class AddressInUse(Failure):
    """Somebody else listens there."""


class Parts(msgspec.Struct, frozen=True):
    """What one server is made of. Tests put in others."""

    host: str
    port: int
    key: BearerKey
    read_side: ReadSide
    heads: StreamHeads
    doors: Doors
    limits: Limits = Limits()
    verify: verification.Run = verification.nobody
    preview: policy_preview.Run = policy_preview.nobody
    gateway_url: str = ""


async def parts(settings: Settings, stack: AsyncExitStack) -> Parts:
    """What the settings ask for; raises Failure if they are unsafe or incomplete."""
    check_address(settings.api_host, remote_allowed=settings.api_allow_remote)
    gate = GateLine(settings.nats("http"))
    stack.push_async_callback(gate.close)
    prover = ProverLine(gate)
    return Parts(
        settings.api_host,
        settings.api_port,
        BearerKey(settings.bearer_key()),
        ReadSide(settings.postgres_reader()),
        NatsStreamHeads(settings.nats("api").options(), settings.shards),
        await open_doors(settings, stack, gate),
        verify=prover.verify,
        preview=prover.preview,
        gateway_url=settings.gateway_public_url or "",
    )


class Running(msgspec.Struct, frozen=True):
    """A server that listens."""

    api: Api
    app: web.Application
    url: str
    denials: Denials


async def start(chosen: Parts, stack: AsyncExitStack) -> Running:
    """
    Listen. What was started is stopped with *stack*.

    It listens before Postgres and JetStream can be reached: it is alive then, and not ready.
    """
    await chosen.read_side.open()
    stack.push_async_callback(chosen.read_side.close)
    stack.push_async_callback(chosen.heads.close)
    limits = chosen.limits
    lag = LagGauge(chosen.heads, chosen.read_side.applied, max_age_s=limits.lag_max_age_s)
    authentication = Authentication(chosen.key, chosen.doors.identity)
    cursors = Cursors(chosen.key.cursor_secret)
    denials = noting("http", chosen.doors.gate, stack)
    doorman = Doorman(chosen.doors.gate, denials)
    api = Api(chosen.read_side, lag, authentication, doorman, cursors, limits)
    answers = TableAnswers(chosen.read_side)
    idempotency = Idempotency(
        answers,
        _lag_of(lag),
        has_same_value=ByGate(chosen.doors.gate),
        lag_max=limits.lag_max,
    )
    signing_in = chosen.doors.sign_in()
    stack.push_async_callback(signing_in.close)
    changes = Changes(chosen.read_side.positions, authentication, doorman)
    export = LogExport(chosen.read_side, authentication, doorman)
    verifications = verification.Verifications(chosen.verify, doorman)
    stack.push_async_callback(verifications.close)
    address: list[str] = []
    identity = chosen.doors.identity
    here = Here(identity.environment or "vito", identity.clock, chosen.gateway_url)
    console = Console(await PublicApi.open(lambda: address[0], stack), here)
    app = api.application(
        ROUTES,
        probes.handlers(api, openapi.encode()),
        {
            **chosen.doors.handlers(signing_in, idempotency, doorman),
            **changes.handlers(),
            **export.handlers(),
            **verifications.handlers(),
            **UsageExport(chosen.read_side, doorman).handlers(),
            **policy_preview.PolicyPreviews(chosen.preview, doorman).handlers(),
        },
        console.routes(),
        console.uploads(),
    )

    async def end_streams(_app: web.Application) -> None:
        await changes.close()
        await export.close()

    app.on_shutdown.append(end_streams)
    runner = ApiRunner(app, shutdown_timeout_s=SHUTDOWN_S)
    stack.push_async_callback(runner.cleanup)
    await runner.setup()
    try:
        await web.TCPSite(runner, chosen.host, chosen.port, backlog=128).start()
    except OSError as error:
        raise AddressInUse(
            f"The query API cannot listen on {chosen.host}:{chosen.port}: {error.strerror}.",
            "stop what listens there, or set VITO_API_PORT to a free port.",
        ) from error
    host, port = runner.addresses[0][:2]
    name = f"[{host}]" if ":" in host else host
    url = f"http://{name}:{port}"
    address.append(url)
    return Running(api, app, url, denials)


def _lag_of(gauge: LagGauge) -> Callable[[], Awaitable[int | None]]:
    async def lag() -> int | None:
        found = await gauge.read()
        return None if found.faults else found.worst

    return lag


async def serve(settings: Settings, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Serve until *stop* is set; *ready* is called once it listens."""
    async with AsyncExitStack() as stack:
        running = await start(await parts(settings, stack), stack)
        logs.get().info("listening", url=running.url)
        ready()
        await stop.wait()
        logs.get().info("stopping")
