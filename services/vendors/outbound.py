"""
Outbound: the one place that sends anything to a vendor.

Every request needs a meter, and a meter only comes from an open grant. The meter is told when a
connection is there, which is the moment from which a byte may have left; until then a failure is
certainly free. Nothing is sent twice: no redirects, and no second connection for a request, which
the library would take for a GET or a DELETE whose kept connection had died.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal, Self, TypeAlias
from weakref import WeakSet

import aiohttp
import msgspec
from yarl import URL

from services.client.meter import Meter
from services.secret import Secret
from services.vendors.adapter import VendorCutOff, VendorUnreachable
from services.vendors.outbound_pieces import Socket, SocketRefused, StreamedReply

ANSWER_BYTES_MAX = 8 << 20
CONNECT_S = 5.0
CONNECTIONS_MAX = 256
SOCKETS_MAX = 256
HEARTBEAT_S = 20.0
MESSAGE_BYTES_MAX = 1 << 20

Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Headers: TypeAlias = Mapping[str, str | Secret]


class Reply(msgspec.Struct, frozen=True):
    """A whole HTTP answer. *headers* are found by any spelling of their case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The object in the body, empty for none; raises VendorCutOff for anything else."""
        try:
            return msgspec.json.decode(self.body, type=dict[str, Any]) if self.body else {}
        except msgspec.MsgspecError as problem:
            raise VendorCutOff(f"the answer is no JSON object: {problem}") from problem

    def value(self) -> Any:
        """The JSON value in the body, None for anything else: of errors, which may be texts."""
        try:
            return msgspec.json.decode(self.body)
        except msgspec.MsgspecError:
            return None


class _Sending:
    """One request on its way: whose meter, and whether it got a connection."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.has_connection = False


class Outbound:
    """Connections to one vendor at *base_url*. Use it as a context manager."""

    def __init__(
        self, base_url: str, *, timeout_s: float = 30.0, answer_bytes_max: int = ANSWER_BYTES_MAX
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._answer_bytes_max = answer_bytes_max
        self._session: aiohttp.ClientSession | None = None
        # Sockets are kept long, and must not use up the connections of requests.
        self._sockets: aiohttp.ClientSession | None = None
        self._open_sockets: WeakSet[Socket] = WeakSet()

    async def __aenter__(self) -> Self:
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_start.append(_connecting)
        trace.on_connection_create_end.append(_connected)
        trace.on_connection_reuseconn.append(_reused)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=CONNECT_S),
            trace_configs=[trace],
            auto_decompress=False,
            # A vendor's cookies would tie the twins that share a connection to each other.
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._sockets = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=SOCKETS_MAX),
            timeout=self._timeout(None),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await asyncio.gather(*(socket.close() for socket in self._open_sockets))
        for session in (self._session, self._sockets):
            if session is not None:
                await session.close()
        self._session = self._sockets = None

    async def post(
        self, meter: Meter, path: str, body: dict[str, Any], *, key: Secret | None = None
    ) -> Reply:
        """POST *body* as JSON; *key* is shown as a bearer. Raises what `request` raises."""
        headers = {} if key is None else {"Authorization": bearer(key)}
        return await self.request(meter, "POST", path, json=body, headers=headers)

    async def request(
        self,
        meter: Meter,
        method: Method,
        path: str,
        *,
        headers: Headers | None = None,
        json: object = None,
        body: bytes | None = None,
        query: Mapping[str, str | int] | None = None,
        timeout_s: float | None = None,
    ) -> Reply:
        """
        Send one request and read its whole answer. *path* is quoted already.

        With *json* the body is its encoding. Headers that are secrets are revealed here only.

        Raises:
            VendorUnreachable: nothing was sent with this request.
            VendorCutOff: it may have arrived, and no whole answer came back.
        """
        assert isinstance(meter, Meter), "what sends needs the meter of a grant"
        assert self._session is not None, "use `async with`"
        assert json is None or body is None, "one body"
        content = body if json is None else msgspec.json.encode(json)
        sending = _Sending(meter)
        try:
            async with self._session.request(
                method,
                self._url(path, query),
                # As a file it is sent piece by piece: a large body must not hold up the others.
                data=None if content is None else io.BytesIO(content),
                headers=_revealed(headers or {}, is_json=json is not None),
                allow_redirects=False,
                timeout=self._timeout(timeout_s),
                trace_request_ctx=sending,
            ) as response:
                whole = await _read(response, self._answer_bytes_max)
                return Reply(response.status, response.headers, whole)
        except (aiohttp.ClientError, TimeoutError) as problem:
            raise _lost(sending, problem) from problem

    @asynccontextmanager
    async def stream(
        self,
        meter: Meter,
        method: Method,
        path: str,
        *,
        headers: Headers | None = None,
        json: object = None,
        total_s: float,
        idle_s: float,
    ) -> AsyncIterator[StreamedReply]:
        """
        Send one request and hand out its answer as it arrives; leaving the block ends it.

        *total_s* is for all of it, *idle_s* between two pieces. Raises what `request` raises.
        """
        assert isinstance(meter, Meter), "what sends needs the meter of a grant"
        assert self._session is not None, "use `async with`"
        sending = _Sending(meter)
        try:
            response = await self._session.request(
                method,
                self._url(path, None),
                data=None if json is None else msgspec.json.encode(json),
                headers=_revealed(headers or {}, is_json=json is not None),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=total_s, sock_connect=CONNECT_S, sock_read=idle_s
                ),
                trace_request_ctx=sending,
            )
        except (aiohttp.ClientError, TimeoutError) as problem:
            raise _lost(sending, problem) from problem
        try:
            yield StreamedReply(response, self._answer_bytes_max)
        finally:
            # Of an answer that was read to its end the connection is kept; any other is cut.
            response.close()

    async def socket(
        self,
        meter: Meter,
        path: str,
        *,
        headers: Headers | None = None,
        query: Mapping[str, str | int] | None = None,
    ) -> Socket:
        """
        Open a WebSocket. It may be kept for later calls, each of which sends with its own meter.

        Opening one asks the vendor for nothing yet, so it does not count as reached.

        Raises:
            VendorUnreachable: no connection.
            SocketRefused: the vendor answered with an error.
        """
        assert isinstance(meter, Meter), "what sends needs the meter of a grant"
        assert self._sockets is not None, "use `async with`"
        try:
            async with asyncio.timeout(self._timeout_s):
                connection = await self._sockets.ws_connect(
                    self._url(path, query),
                    headers=_revealed(headers or {}, is_json=False),
                    heartbeat=HEARTBEAT_S,
                    max_msg_size=MESSAGE_BYTES_MAX,
                )
        except aiohttp.WSServerHandshakeError as problem:
            raise SocketRefused(problem.status, problem.headers or {}) from problem
        except (aiohttp.ClientError, TimeoutError) as problem:
            raise VendorUnreachable(f"{type(problem).__name__}: {problem}") from problem
        socket = Socket(connection)
        self._open_sockets.add(socket)
        return socket

    def _url(self, path: str, query: Mapping[str, str | int] | None) -> URL:
        return URL(f"{self._base_url}{path}", encoded=True).update_query(query or {})

    def _timeout(self, total_s: float | None) -> aiohttp.ClientTimeout:
        total_s = self._timeout_s if total_s is None else total_s
        return aiohttp.ClientTimeout(total=total_s, sock_connect=CONNECT_S)


def bearer(key: Secret) -> Secret:
    """The value of an Authorization header that shows *key*."""
    return Secret(f"Bearer {key.reveal()}")


def _revealed(headers: Headers, *, is_json: bool) -> dict[str, str]:
    shown = {"Content-Type": "application/json"} if is_json else {}
    for name, value in headers.items():
        text = value.reveal() if isinstance(value, Secret) else value
        if not text.isprintable():
            # The library would find it too late, with the connection open.
            raise VendorUnreachable(f"the header {name} has a character that cannot be sent")
        shown[name] = text
    return shown


def _lost(sending: _Sending, problem: Exception) -> VendorCutOff | VendorUnreachable:
    what = f"{type(problem).__name__}: {problem}"
    return VendorCutOff(what) if sending.has_connection else VendorUnreachable(what)


async def _connecting(_session: aiohttp.ClientSession, context: Any, _params: Any) -> None:
    sending: _Sending = context.trace_request_ctx
    if sending.has_connection:
        raise aiohttp.ClientConnectionError("the connection died; nothing is sent twice")


async def _connected(_session: aiohttp.ClientSession, context: Any, _params: Any) -> None:
    sending: _Sending = context.trace_request_ctx
    sending.has_connection = True
    sending.meter.sending()


async def _reused(session: aiohttp.ClientSession, context: Any, params: Any) -> None:
    await _connecting(session, context, params)
    await _connected(session, context, params)


async def _read(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    content = await response.content.read(most_bytes + 1)
    while len(content) <= most_bytes and not response.content.at_eof():
        content += await response.content.read(most_bytes + 1 - len(content))
    if len(content) > most_bytes:
        raise aiohttp.ClientPayloadError(f"more than {most_bytes} bytes")
    return content
