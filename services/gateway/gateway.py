"""
The gateway: it takes connections, brings them to their conversations, and keeps the time.

Every time limit is kept in one place: `check` looks at all connections and conversations, each
`tick_s`. So nothing depends on a timer that somebody forgot to set or to cancel.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from aiohttp import web

from contracts.stream import Hello, Welcome
from services import logs
from services.gateway import handshake
from services.gateway.connection import Connection
from services.gateway.figures import Figures
from services.gateway.guest import Guest
from services.gateway.handshake import Admission
from services.gateway.limits import Limits
from services.gateway.problems import FULL, STOPPING
from services.gateway.stream import Stream
from services.gateway.streams import Streams
from services.http_door.caller import Caller
from services.query_api.problems import INTERNAL, HttpProblem


class Gateway:
    """
    See above. *clock_s*: monotonic seconds; *clock_us*: microseconds since 1970.

    *confirm* ends the conversations of a caller who may not be here any more.
    """

    def __init__(
        self,
        admission: Admission,
        streams: Streams,
        limits: Limits,
        *,
        confirm: Callable[[Caller], Awaitable[None]],
        figures: Figures,
        clock_s: Callable[[], float],
        clock_us: Callable[[], int],
    ) -> None:
        self.streams = streams
        self.limits = limits
        self.is_stopping = False
        self._admission = admission
        self._confirm = confirm
        self._figures = figures
        self._clock_s = clock_s
        self._clock_us = clock_us
        self._connections: set[Connection] = set()
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    @property
    def connections(self) -> int:
        """How many sockets are open."""
        return len(self._connections)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection; raises HttpProblem for what is refused before it is one."""
        if self.is_stopping:
            raise HttpProblem(STOPPING, "It answers nobody new.")
        if len(self._connections) >= self.limits.connections_max:
            raise HttpProblem(FULL, "This gateway is full.")
        knock = handshake.read(request, request.match_info["tenant"])
        guest, refused = None, None
        try:
            guest = await self._admission.admit(knock, self._clock_us())
        except HttpProblem as problem:
            if not knock.in_protocols:
                raise
            # A page cannot read an answer of HTTP to its handshake, so it is told by the socket.
            refused = problem
        is_visitor = guest is None or guest.is_visitor
        connection = Connection(
            request, self.limits, self._clock_s, self._figures, visitor=is_visitor
        )
        self._connections.add(connection)
        self._is_empty.clear()
        try:
            return await self._serve(connection, guest, refused)
        finally:
            self._connections.discard(connection)
            if not self._connections:
                self._is_empty.set()

    async def _serve(
        self, connection: Connection, guest: Guest | None, refused: HttpProblem | None
    ) -> web.StreamResponse:
        socket = await connection.open()
        if guest is None:
            connection.end(refused)
        else:
            hello = await connection.hello()
            if hello is not None:
                await self._talk(connection, guest, hello)
        await connection.close()
        return socket

    async def _talk(self, connection: Connection, guest: Guest, hello: Hello) -> None:
        try:
            stream = await self._stream(guest, hello)
            welcome = self._welcome(stream, hello)
        except HttpProblem as problem:
            connection.end(problem)
            return
        except Exception as fault:  # noqa: BLE001 - whoever waits is told
            logs.get().error("conversation_not_opened", tenant=guest.tenant, exc_info=fault)
            connection.end(HttpProblem(INTERNAL, "The conversation could not be opened."))
            return
        stream.attach(connection, guest)
        # What was taken back since they were let in was not heard for this conversation.
        await self._confirm(guest.caller)

        def spoken() -> None:
            self.streams.spend(stream)

        await connection.serve(stream, welcome, spoken)
        if connection.has_left:
            self.streams.end(stream, "user_exit")

    async def _stream(self, guest: Guest, hello: Hello) -> Stream:
        if hello.resume:
            return self.streams.resume(guest, hello)
        return await self.streams.open(guest, hello)

    def _welcome(self, stream: Stream, hello: Hello) -> Welcome:
        return Welcome(
            position=hello.position if hello.resume else 0,
            session_id=stream.session_id,
            resume=self.streams.new_token(stream),
            resume_s=self.limits.resume_s,
            disclosure=stream.due,
            modality=stream.conversation.modality,
            limits=self.limits.told(),
            listens=stream.conversation.listens,
        )

    # -- time --------------------------------------------------------------------------

    def check(self) -> None:
        """End whatever has had its time."""
        now_s, now_us = self._clock_s(), self._clock_us()
        for connection in list(self._connections):
            connection.check(now_s)
        self.streams.check(now_s, now_us)

    async def keep_time(self) -> None:
        """Check each tick, for ever."""
        while True:
            await asyncio.sleep(self.limits.tick_s)
            try:
                self.check()
            except Exception as fault:  # noqa: BLE001 - without it nothing would ever end
                logs.get().error("check_failed", exc_info=fault)

    async def drain(self) -> None:
        """Stop politely: turns that run may end, everybody is told, everything is settled."""
        self.is_stopping = True
        await self.streams.drain()
        for connection in list(self._connections):
            connection.end(HttpProblem(STOPPING, "It answers nobody new."))
        with contextlib.suppress(TimeoutError):
            # Each closes within the first of these; the second is for a busy machine.
            async with asyncio.timeout(2 * self.limits.close_s):
                await self._is_empty.wait()
