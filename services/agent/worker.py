"""
The worker: waits at the configured LiveKit server for conversations, and holds each.

Each conversation has a process of its own. One that crashes, or is killed, takes no other with it;
its holds run out, and its lease ends its session in writing. Media of many conversations would also
share one interpreter otherwise. The price is memory: about 200 MB each, so *sessions_max* bounds
them and the server sends what is more to other workers.

Nothing but that LiveKit server is connected to by the library: no inference gateway, no telemetry,
no upload of recordings. The vendors are called by our own adapters, with a grant each.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

import msgspec
from livekit import api
from livekit.agents import (
    AgentServer,
    AutoSubscribe,
    JobContext,
    JobExecutorType,
    JobProcess,
    JobRequest,
)

from contracts.agent_job import AgentJob, agent_name, job_of
from services import logs, run_file
from services.agent.stage import RoomStage
from services.agent.twin_session import ROOMS, NotHeld, TwinSession
from services.client import GateClient
from services.client.connection import of_login
from services.client.errors import CannotVerify, NotAllowed, Refused
from services.distribution.media_key import media_of
from services.live.parts import open_parts
from services.settings import Settings
from services.vendors.face.livekit import LiveKitAdapter
from services.vendors.outbound import Outbound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# Conversations that run when the worker is told to stop may go on for so long.
DRAIN_S: Final = 60
# One process waits, so that nobody waits for Python to start.
IDLE_PROCESSES: Final = 1
MEMORY_WARN_MB: Final = 600
MEMORY_LIMIT_MB: Final = 1_500
_FULL: Final = 0.99
# What the library calls otherwise than we do.
_LEVELS: Final = {"warning": "warn"}
# What the library would read from the environment besides, and must not.
_NOT_OURS: Final = (
    "LIVEKIT_AGENT_NAME_OVERRIDE",
    "LIVEKIT_AGENT_DEPLOYMENT",
    "LIVEKIT_WORKER_TOKEN",
    "LIVEKIT_REMOTE_EOT_URL",
)


def server_for(settings: Settings) -> AgentServer:
    """Make the library's server; it is not started yet."""
    media = media_of(settings)
    for name in _NOT_OURS:
        os.environ.pop(name, None)
    sessions_max = settings.agent_sessions_max
    server = AgentServer(
        ws_url=media.url,
        api_key=media.key,
        api_secret=media.secret.reveal(),
        job_executor_type=JobExecutorType.PROCESS,
        num_idle_processes=IDLE_PROCESSES,
        job_memory_warn_mb=MEMORY_WARN_MB,
        job_memory_limit_mb=MEMORY_LIMIT_MB,
        load_fnc=lambda one: len(one.active_jobs) / sessions_max,
        load_threshold=_FULL,
        drain_timeout=DRAIN_S,
        setup_fnc=_begin_process,
        # Its health is for this machine to ask.
        host="127.0.0.1",
        port=0,
        log_level=_LEVELS.get(settings.log_level, settings.log_level).upper(),
    )
    server.rtc_session(converse, agent_name=agent_name(settings.deployment), on_request=_accept)
    return server


async def serve(settings: Settings, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Wait for conversations until *stop* is set; *ready* is called once the server knows us."""
    server = server_for(settings)
    server.once("worker_registered", lambda *_: ready())
    running = asyncio.create_task(server.run(), name="agent-server")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            logs.get().info("stopping", conversations=len(server.active_jobs))
            try:
                await server.drain()
            except TimeoutError:
                logs.get().warning("conversations_cut", conversations=len(server.active_jobs))
    finally:
        stopping.cancel()
        await server.aclose()
    await running


# -- in the process of a conversation -------------------------------------------------------


def _begin_process(_process: JobProcess) -> None:
    logs.configure("agent", level=run_file.settings(os.environ).log_level)


async def _accept(request: JobRequest) -> None:
    """Take a job that can be read; another worker cannot read it either."""
    try:
        job = job_of(request.job.metadata)
    except ValueError as problem:
        logs.get().error("job_unreadable", job=request.id, reason=str(problem)[:300])
        await request.reject()
        return
    await request.accept(identity=f"twin-{job.tenant}", name=job.tenant)


async def converse(context: JobContext) -> None:
    """Hold one conversation, from the job to its last booking."""
    settings = run_file.settings(os.environ)
    job = job_of(context.job.metadata)
    try:
        async with AsyncExitStack() as stack:
            held = await _held(settings, context, job, stack)

            async def shut() -> None:
                await held.aclose()

            context.add_shutdown_callback(shut)
            try:
                await held.open()
                await held.wait()
            finally:
                await held.aclose()
    except (CannotVerify, NotAllowed, NotHeld, Refused, TimeoutError) as problem:
        logs.get().error("not_held", tenant=job.tenant, reason=f"{problem!r}"[:300])
    context.shutdown("the conversation is over")


async def _held(
    settings: Settings, context: JobContext, job: AgentJob, stack: AsyncExitStack
) -> TwinSession:
    media = media_of(settings)
    gate = await stack.enter_async_context(_gate(settings, job.tenant))
    parts = await open_parts(settings, stack)
    service = await stack.enter_async_context(
        api.LiveKitAPI(re.sub("^ws", "http", media.url), media.key, media.secret.reveal())
    )
    http = await stack.enter_async_context(Outbound(re.sub("^ws", "http", media.url)))
    rooms = LiveKitAdapter(ROOMS, http, deployment=settings.deployment)
    # Nothing of what is published is brought here but what the conversation asks for.
    await context.connect(auto_subscribe=AutoSubscribe.SUBSCRIBE_NONE)

    async def delete_room() -> None:
        await service.room.delete_room(api.DeleteRoomRequest(room=context.room.name))

    stage = RoomStage(context.room, delete_room, visitor=job.visitor)
    job = msgspec.structs.replace(job, visitor=await stage.visitor())
    if settings.agent_key is not None:
        # A key asks in its own name; only the deployment itself may in another's.
        job = msgspec.structs.replace(job, on_behalf="")
    return TwinSession(gate, parts, job, stage, room=context.room, media=media, rooms=rooms)


@asynccontextmanager
async def _gate(settings: Settings, tenant: str) -> AsyncIterator[GateClient]:
    """Connect with the twin's own key when there is one, or as a service of the deployment."""
    hold_ms_max = settings.hold_s * 1_000
    if settings.agent_key is not None:
        urls, key = list(settings.nats_urls), settings.agent_key.reveal()
        async with GateClient.connect(
            urls, tenant=tenant, key=key, hold_ms_max=hold_ms_max
        ) as gate:
            yield gate
        return
    login = of_login(settings.nats("client"))
    async with GateClient.connect(**login, tenant=tenant, hold_ms_max=hold_ms_max) as gate:
        yield gate
