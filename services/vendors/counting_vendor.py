"""
A vendor that counts: a local HTTP server which answers like one and remembers every call.

It is what evidence is measured against: how often, for what and when was the vendor called. It can
be slow, fail, and break off in the middle of an answer.

    POST /v1/calls                     one call that takes `takes_ms`; the answer has the usage
    POST /v1/streams                   begin a stream with its first slice
    POST /v1/streams/{ref}/slices      generate more of it
    POST /v1/streams/{ref}/end         end it; the answer has the usage of all of it

A call consumes what the request says under `usage`, or else all of its `limits`.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Self

import msgspec
from aiohttp import web

from contracts.usage import Usage
from services.client.meter import plus
from services.secret import Secret

LOOPBACK = "127.0.0.1"
ARRIVALS_KEPT = 100_000
STREAMS_MAX = 10_000
TAKES_S_MAX = 60.0


class Behaviour(msgspec.Struct, frozen=True):
    """
    How the vendor treats calls from now on. *status* other than 200: it fails, unbilled.

    With a *key* it refuses, unbilled too, who does not show that one.
    """

    delay_s: float = 0.0
    status: int = 200
    breaks_off: bool = False
    key: Secret | None = None


class CountingVendor:
    """
    The vendor. Use it as a context manager; then *url* is its address.

    *calls* counts what it was asked to generate: calls, streams begun, and slices; *refs* how many
    of them per call or stream.
    """

    def __init__(
        self, port: int = 0, *, clock_us: Callable[[], int] = lambda: time.monotonic_ns() // 1_000
    ) -> None:
        self._port = port
        self.behaviour = Behaviour()
        self.calls = 0
        self.refs: Counter[str] = Counter()
        self.arrivals_us: deque[int] = deque(maxlen=ARRIVALS_KEPT)
        self.url = ""
        self._clock_us = clock_us
        self._streams: dict[str, Usage] = {}
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/v1/calls", self._call)
        app.router.add_post("/v1/streams", self._begin)
        app.router.add_post("/v1/streams/{ref}/slices", self._slice)
        app.router.add_post("/v1/streams/{ref}/end", self._end)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, LOOPBACK, self._port)
        await site.start()
        self.url = f"http://{LOOPBACK}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _call(self, request: web.Request) -> web.StreamResponse:
        body = await self._arrived(request)
        ref = self._new_ref()
        self.refs[ref] += 1
        # As it was asked for, right or wrong: it is the caller who must be careful.
        usage = body.get("usage", body["limits"])
        if "takes_ms" in body:
            await asyncio.sleep(min(float(body["takes_ms"]) / 1_000, TAKES_S_MAX))
        return await self._behave(request, lambda: _answer(ref, usage))

    async def _begin(self, request: web.Request) -> web.StreamResponse:
        body = await self._arrived(request)
        if len(self._streams) >= STREAMS_MAX:
            return _refused(HTTPStatus.TOO_MANY_REQUESTS)
        ref = self._new_ref()

        def begin() -> web.Response:
            self.refs[ref] += 1
            self._streams[ref] = _usage(body)
            return _answer(ref, self._streams[ref])

        return await self._behave(request, begin)

    async def _slice(self, request: web.Request) -> web.StreamResponse:
        body = await self._arrived(request)
        ref = request.match_info["ref"]
        if ref not in self._streams:
            return _refused(HTTPStatus.NOT_FOUND)

        def generate() -> web.Response:
            self.refs[ref] += 1
            so_far = self._streams[ref]
            self._streams[ref] = plus(so_far, Usage(stream_ms=int(body["stream_ms"])))
            return _answer(ref, self._streams[ref])

        return await self._behave(request, generate)

    async def _end(self, request: web.Request) -> web.StreamResponse:
        usage = self._streams.pop(request.match_info["ref"], None)
        if usage is None:
            return _refused(HTTPStatus.NOT_FOUND)
        return _answer(request.match_info["ref"], msgspec.structs.replace(usage, turns=1))

    async def _arrived(self, request: web.Request) -> dict[str, Any]:
        self.calls += 1
        self.arrivals_us.append(self._clock_us())
        return msgspec.json.decode(await request.read(), type=dict[str, Any])

    def _new_ref(self) -> str:
        return f"call-{self.calls}"

    async def _behave(
        self, request: web.Request, generate: Callable[[], web.Response]
    ) -> web.StreamResponse:
        behaviour = self.behaviour
        if behaviour.delay_s:
            await asyncio.sleep(behaviour.delay_s)
        if behaviour.key is not None and not _shows(request, behaviour.key):
            return _refused(HTTPStatus.UNAUTHORIZED)
        if behaviour.status != HTTPStatus.OK:
            return _refused(HTTPStatus(behaviour.status))
        answer = generate()
        if behaviour.breaks_off and request.transport is not None:
            request.transport.close()
        return answer


def _shows(request: web.Request, key: Secret) -> bool:
    shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return Secret(shown) == key


def _usage(body: dict[str, Any]) -> Usage:
    return msgspec.convert(body.get("usage", body["limits"]), Usage)


def _answer(ref: str, usage: Usage | dict[str, Any]) -> web.Response:
    body = {"vendor_ref": ref, "usage": usage}
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


def _refused(status: HTTPStatus) -> web.Response:
    body = msgspec.json.encode({"error": status.phrase, "billed": False})
    return web.Response(status=status, body=body, content_type="application/json")
