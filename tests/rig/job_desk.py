"""
The part of a LiveKit server that gives jobs to agents: register, availability, assignment.

    desk = JobDesk(server)                a `MediaServer`
    await desk.workers(1)                 until so many have registered
    await desk.dispatch("room-1", agent_name="vito-test", metadata="…")
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from aiohttp import WSMsgType, web
from livekit import api
from livekit.protocol import agent, models

PATIENCE_S = 20.0


class Worker:
    """One agent that waits for jobs under *name*."""

    def __init__(self, socket: web.WebSocketResponse, name: str) -> None:
        self.socket = socket
        self.name = name
        self.available: dict[str, asyncio.Future[Any]] = {}
        self.jobs: dict[str, int] = {}

    async def tell(self, message: agent.ServerMessage) -> None:
        await self.socket.send_bytes(message.SerializeToString())


class JobDesk:
    """Gives each job to the worker with its name that came first, if it is available."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._workers: list[Worker] = []
        self._changed = asyncio.Event()

    async def workers(self, number: int) -> None:
        """Wait until *number* have registered."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if len(self._workers) >= number:
                    return
                self._changed.clear()
                await self._changed.wait()

    async def dispatch(self, room: str, *, agent_name: str, metadata: str) -> bool:
        """Offer a job; whether somebody took it."""
        worker = next(one for one in self._workers if one.name == agent_name)
        job = agent.Job(
            id=f"AJ_{secrets.token_hex(6)}",
            type=agent.JT_ROOM,
            room=models.Room(sid=f"RM_{secrets.token_hex(6)}", name=room),
            agent_name=agent_name,
            metadata=metadata,
        )
        worker.available[job.id] = asyncio.get_running_loop().create_future()
        await worker.tell(
            agent.ServerMessage(availability=agent.AvailabilityRequest(job=job, resuming=False))
        )
        answer = await asyncio.wait_for(worker.available[job.id], PATIENCE_S)
        if not answer.available:
            return False
        token = self._server.token(answer.participant_identity, room, kind="agent")
        await worker.tell(agent.ServerMessage(assignment=agent.JobAssignment(job=job, token=token)))
        return True

    async def handle(self, request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            claims = api.TokenVerifier(self._server.key, self._server.secret).verify(token)
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it is refused
            return web.Response(status=401, text="invalid token")
        if claims.video is None or not claims.video.agent:
            return web.Response(status=403, text="no agent")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        worker: Worker | None = None
        try:
            async for message in socket:
                if message.type != WSMsgType.BINARY:
                    continue
                said = agent.WorkerMessage.FromString(message.data)
                worker = await self._heard(said, socket, worker)
        finally:
            if worker is not None:
                self._workers.remove(worker)
        return socket

    async def _heard(
        self, said: agent.WorkerMessage, socket: web.WebSocketResponse, worker: Worker | None
    ) -> Worker | None:
        kind = said.WhichOneof("message")
        if kind == "register":
            worker = Worker(socket, said.register.agent_name)
            answer = agent.RegisterWorkerResponse(
                worker_id=f"AW_{secrets.token_hex(6)}",
                server_info=models.ServerInfo(version="1.9.0", protocol=16, region="loopback"),
            )
            await worker.tell(agent.ServerMessage(register=answer))
            self._workers.append(worker)
            self._changed.set()
        elif worker is not None and kind == "availability":
            waiting = worker.available.get(said.availability.job_id)
            if waiting is not None and not waiting.done():
                waiting.set_result(said.availability)
        elif worker is not None and kind == "update_job":
            worker.jobs[said.update_job.job_id] = said.update_job.status
        return worker
