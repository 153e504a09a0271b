"""
Changes of a twin, as they happen: server-sent events that say how far its tables are.

    event: position
    data: {"position": 1234}

One comes at once and one whenever the tables have got further, at most a few a second; the last
position always comes. What has changed is asked for by whoever wants to know. Who may not see the
twin any more is cut off within a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from services.http_door.authentication import Authentication
from services.http_door.caller import CALLER
from services.http_door.doorman import Doorman
from services.http_door.endpoint import Endpoint, Handler
from services.query_api.positions import PositionWatch, ReadPositions
from services.query_api.problems import (
    CALLER_NOT_ALLOWED,
    CALLER_UNKNOWN,
    OVERLOADED,
    HttpProblem,
)

STREAMS_MAX: Final = 128
# A reader that reloads four times a second sees more than anybody can read.
PACE_S: Final = 0.25
POLL_S: Final = 0.05
RECHECK_S: Final = 1.0
# Proxies close what is silent; a browser opens a new stream when one has ended.
SILENT_S_MAX: Final = 15.0
STREAM_S_MAX: Final = 600.0

CHANGES: Final = Endpoint(
    "GET",
    "/v1/tenants/{tenant}/changes",
    "followChanges",
    "How far the tables of a twin are, as server-sent events, from now on.",
    None,
    problems=(CALLER_UNKNOWN, CALLER_NOT_ALLOWED, OVERLOADED),
    content_type="text/event-stream",
    streams=True,
    about=("tenant", "show"),
)


class Changes:
    """The streams of one server, at most STREAMS_MAX at once."""

    def __init__(
        self, read: ReadPositions, authentication: Authentication, doorman: Doorman
    ) -> None:
        self._read = read
        self._watch = PositionWatch(read, every_s=POLL_S, waiting_max=STREAMS_MAX)
        self._authentication = authentication
        self._doorman = doorman
        self._open = 0
        self._is_closing = False

    def handlers(self) -> Mapping[Endpoint, Handler]:
        """Who answers."""
        return {CHANGES: self._follow}

    async def close(self) -> None:
        """End every stream."""
        self._is_closing = True
        await self._watch.close()

    async def _follow(self, request: web.Request) -> web.StreamResponse:
        tenant = request.match_info["tenant"]
        await self._doorman.check_right(request[CALLER], tenant, *CHANGES.about)
        if self._open >= STREAMS_MAX:
            raise HttpProblem(OVERLOADED, "Too many streams of changes are open.")
        response = web.StreamResponse(headers={"X-Accel-Buffering": "no"})
        response.content_type = CHANGES.content_type
        self._open += 1
        try:
            await response.prepare(request)
            await self._send(request, response, tenant)
        except (ConnectionError, HttpProblem):
            # They have gone, or may not see it any more: an open stream can say no more than end.
            pass
        finally:
            self._open -= 1
        return response

    async def _send(self, request: web.Request, response: web.StreamResponse, tenant: str) -> None:
        presented = self._authentication.presented(request)
        began_s = spoke_s = time.monotonic()
        last = -1
        while not self._is_closing and time.monotonic() - began_s < STREAM_S_MAX:
            position = (await self._read([tenant])).get(tenant, 0)
            if position > last:
                last, spoke_s = position, time.monotonic()
                await response.write(f'event: position\ndata: {{"position":{last}}}\n\n'.encode())
                await asyncio.sleep(PACE_S)
            elif time.monotonic() - spoke_s > SILENT_S_MAX:
                spoke_s = time.monotonic()
                await response.write(b": still here\n\n")
            await self._watch.reached(tenant, last + 1, within_s=RECHECK_S)
            caller = await self._authentication.caller(presented)
            self._doorman.check_tenant(caller, tenant, is_open_to_all=False)
            await self._doorman.check_right(caller, tenant, *CHANGES.about)
