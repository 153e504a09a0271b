"""One gateway process: its parts put together, started in order, drained and stopped in time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from http import HTTPStatus

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware

from contracts import stream as contract
from services import logs
from services.distribution.minting import TokenIssuer
from services.gateway import visitors
from services.gateway.conversation import Conversations
from services.gateway.deployments import Deployments
from services.gateway.figures import CONTENT_TYPE, Figures
from services.gateway.gateway import Gateway
from services.gateway.handshake import TURNED_AWAY, Admission
from services.gateway.limits import Limits
from services.gateway.problems import STOPPING
from services.gateway.revocation import Directory, Revocation
from services.gateway.streams import Streams
from services.gateway.talk_page import TalkPage
from services.gateway.video_page import VideoPage
from services.gateway.visitors import Pace, Visitors
from services.gateway.widget import Widget
from services.http_api import protocol
from services.http_api.protocol import CONNECTIONS_MAX, ApiRunner
from services.http_api.server import AddressInUse
from services.http_door.authentication import Authentication
from services.http_door.doorman import Doorman
from services.http_door.endpoint import Handler
from services.http_door.gate_line import Gate
from services.identity.denials import Denials, noting
from services.query_api import problems
from services.query_api.keys import BearerKey
from services.query_api.problems import HttpProblem
from services.variables import Network

SHUTDOWN_S = 1.0


class Parts(msgspec.Struct, frozen=True):
    """
    What one gateway is made of. Tests put in others.

    *clock_s*: monotonic seconds; *clock_us*: microseconds since 1970. *watcher* is the key that
    opens the figures and nothing else; without it nobody sees them. *shows_meter*: the pages of our
    own show what the twin has spent, to whoever is on this machine. *video* shows faces.
    """

    host: str
    port: int
    authentication: Authentication
    directory: Directory
    gate: Gate
    tokens: TokenIssuer
    conversations: Conversations
    limits: Limits
    clock_s: Callable[[], float]
    clock_us: Callable[[], int]
    watcher: BearerKey | None = None
    proxies: tuple[Network, ...] = ()
    shows_meter: bool = False
    video: VideoPage = msgspec.field(default_factory=VideoPage)


class Running(msgspec.Struct, frozen=True):
    """A gateway that listens."""

    gateway: Gateway
    revocation: Revocation
    denials: Denials
    url: str


async def start(parts: Parts, stack: AsyncExitStack) -> Running:
    """Listen. What was started is drained and stopped with *stack*."""
    deployments = Deployments(parts.gate)
    denials = noting("gateway", parts.gate, stack)
    doorman = Doorman(parts.gate, denials, TURNED_AWAY)
    figures = Figures()
    streams = Streams(parts.conversations, parts.limits, parts.clock_s, figures)
    revocation = Revocation(parts.directory, streams, parts.clock_us)
    gateway = Gateway(
        Admission(parts.authentication, deployments, doorman),
        streams,
        parts.limits,
        confirm=revocation.confirm,
        figures=figures,
        clock_s=parts.clock_s,
        clock_us=parts.clock_us,
    )
    desk = Visitors(
        parts.gate, parts.tokens, deployments, Pace(parts.limits, parts.clock_us), parts.proxies
    )
    page = TalkPage(parts.gate, deployments, shows_meter=parts.shows_meter)
    app = _application(gateway, desk, page, parts.video, figures)
    if parts.watcher is not None:
        _show_figures(app, parts.watcher, gateway, figures, denials)
    runner = ApiRunner(
        app,
        shutdown_timeout_s=SHUTDOWN_S,
        # Room for those who are told that there is none, and for plain requests.
        connections_max=parts.limits.connections_max + CONNECTIONS_MAX,
    )
    stack.push_async_callback(runner.cleanup)
    await runner.setup()
    try:
        await web.TCPSite(runner, parts.host, parts.port, backlog=512).start()
    except OSError as error:
        raise AddressInUse(
            f"The gateway cannot listen on {parts.host}:{parts.port}: {error.strerror}.",
            "stop what listens there, or set VITO_GATEWAY_PORT to a free port.",
        ) from error
    stack.push_async_callback(gateway.drain)
    host, port = runner.addresses[0][:2]
    name = f"[{host}]" if ":" in host else host
    return Running(gateway, revocation, denials, f"http://{name}:{port}")


async def serve(parts: Parts, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Serve until *stop* is set; *ready* is called once it listens."""
    async with AsyncExitStack() as stack:
        running = await start(parts, stack)
        tasks = [
            asyncio.create_task(running.gateway.keep_time(), name="keep-time"),
            asyncio.create_task(running.revocation.follow(), name="revocation"),
        ]
        stack.push_async_callback(_cancel, tasks)
        logs.get().info("listening", url=running.url)
        ready()
        await stop.wait()
        logs.get().info("stopping", conversations=len(running.gateway.streams))


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


# -- over HTTP ------------------------------------------------------------------------


def _application(
    gateway: Gateway, desk: Visitors, page: TalkPage, video: VideoPage, figures: Figures
) -> web.Application:
    app = web.Application(middlewares=[_answering(figures)], client_max_size=1)
    app.router.add_get(contract.PATH, gateway.handle)
    app.router.add_post(visitors.PATH, desk.handle)
    app.router.add_routes([*Widget().routes(), *page.routes(), *video.routes()])
    app.router.add_get("/healthz", _alive)
    app.router.add_get("/readyz", _ready(gateway))
    app.on_response_prepare.append(_prepare)
    return app


def _show_figures(
    app: web.Application, key: BearerKey, gateway: Gateway, figures: Figures, denials: Denials
) -> None:
    # The other credentials of the deployment open nothing of this, nor does this one open more.
    watchers = Authentication(key, None)

    async def handle(request: web.Request) -> web.StreamResponse:
        watchers.presented(request)
        told = figures.expose(gateway.connections, gateway.streams.depths(), denials.waiting)
        return web.Response(body=told, headers={"Content-Type": CONTENT_TYPE})

    app.router.add_get("/metrics", handle)


def _answering(figures: Figures) -> Middleware:
    @web.middleware
    async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await _answered(request, handler, figures)

    return answered


async def _answered(request: web.Request, handler: Handler, figures: Figures) -> web.StreamResponse:
    """Turn failures into problems, and write a line for each request that came to nothing."""
    instance, started_s = problems.new_instance(), time.monotonic()
    try:
        return await handler(request)
    except HttpProblem as problem:
        refused = problem
    except web.HTTPException as error:
        known = error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
        kind = problems.ROUTE_UNKNOWN if known else problems.MALFORMED_REQUEST
        refused = HttpProblem(kind, "No path of the gateway takes this.")
    except Exception as fault:  # noqa: BLE001 - the last place where a bug can be answered
        logs.get().error("request_failed", request_id=instance, exc_info=fault)
        refused = HttpProblem(problems.INTERNAL, "A fault in the server, not in the request.")
    figures.refused(refused.kind.code)
    resource = request.match_info.route.resource
    logs.get().info(
        "refused",
        request_id=instance,
        route=resource.canonical if resource else "unmatched",
        status=int(refused.kind.status),
        code=refused.kind.code,
        remote=request.remote,
        duration_ms=round((time.monotonic() - started_s) * 1_000, 3),
    )
    return refused.response(instance)


async def _prepare(_request: web.Request, response: web.StreamResponse) -> None:
    if response.status != HTTPStatus.SWITCHING_PROTOCOLS:
        protocol.add_security_headers(response.headers)


async def _alive(_request: web.Request) -> web.StreamResponse:
    return web.json_response({"status": "alive"})


def _ready(gateway: Gateway) -> Handler:
    async def handle(_request: web.Request) -> web.StreamResponse:
        if gateway.is_stopping:
            raise HttpProblem(STOPPING, "It answers nobody new.")
        return web.json_response({"status": "ready", "conversations": len(gateway.streams)})

    return handle
