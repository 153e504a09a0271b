"""
The edge of HTTP: what the server says before a request has reached the application.

aiohttp answers what it cannot parse in plain text, with its version, and logs a traceback; here
such requests are answered like every other problem, and logged in one line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeAlias

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from multidict import CIMultiDict

from services import logs
from services.query_api.problems import INTERNAL, MALFORMED_REQUEST, HttpProblem, new_instance

Handler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

LINE_BYTES_MAX = 4_096
HEADER_BYTES_MAX = 4_096
HEADERS_MAX = 64
CONNECTIONS_MAX = 512
# An idle connection, or one that is slow to send its headers, is closed after this time.
IDLE_S = 15.0
# Answers hold money and are read by programs: nothing may cache, frame, sniff or run them.
# HSTS is missing on purpose: TLS ends at a proxy, which must send it.
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Server": "vito",
}


def add_security_headers(headers: CIMultiDict[str]) -> None:
    """Put them on a response's headers, unless it has its own: a page may run its own script."""
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    headers["Server"] = SECURITY_HEADERS["Server"]


class ApiRunner(web.AppRunner):
    """Runs an application on connections with tight limits, at most *connections_max* of them."""

    def __init__(
        self,
        app: web.Application,
        *,
        shutdown_timeout_s: float,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        super().__init__(app, access_log=None, shutdown_timeout=shutdown_timeout_s)
        self._connections_max = connections_max

    async def _make_server(self) -> web.Server:
        # AppRunner offers no other way to choose the class that speaks HTTP.
        server = await super()._make_server()
        made = _Server(
            _explained(server.request_handler),
            request_factory=server.request_factory,
            access_log=None,
            keepalive_timeout=IDLE_S,
            max_line_size=LINE_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
            max_headers=HEADERS_MAX,
            lingering_time=1.0,
        )
        made.connections_max = self._connections_max
        return made


def _explained(handle: Handler) -> Handler:
    # `Expect` is dealt with before any middleware runs, and refused in plain text.
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handle(request)
        except web.HTTPException as error:
            problem = HttpProblem(MALFORMED_REQUEST, f"The request asks for more: {error.reason}.")
            response = problem.response(new_instance())
            response.force_close()
            return response

    return answer


class _Server(web.Server):
    connections_max = CONNECTIONS_MAX

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if len(self.connections) > self.connections_max:
            transport.close()


class _Connection(RequestHandler):
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes the bytes that were sent
    ) -> web.StreamResponse:
        """Answer what the application never saw, and close the connection."""
        name = type(exc).__name__ if exc else None
        if status == HTTPStatus.BAD_REQUEST:
            problem = HttpProblem(MALFORMED_REQUEST, "The request could not be parsed.")
            logs.get().info("malformed_request", error=name, remote=request.remote)
        else:
            problem = HttpProblem(INTERNAL, "The request could not be answered.")
            logs.get().error("request_failed", status=status, exc_info=exc, remote=request.remote)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the response was sent already")
        response = problem.response(new_instance())
        add_security_headers(response.headers)
        response.force_close()
        return response
