"""
Outbound: the one place that sends anything to a vendor.

Every request needs a meter, and a meter only comes from an open grant. The meter is told when a
connection is there, which is the moment from which a byte may have left; until then a failure is
certainly free. Nothing is sent twice: no redirects, and POST only, which the library never repeats.
"""

from __future__ import annotations

from typing import Any, Self

import aiohttp
import msgspec

from services.client.meter import Meter
from services.secret import Secret
from services.vendors.adapter import VendorCutOff, VendorUnreachable

ANSWER_BYTES_MAX = 8 << 20
CONNECT_S = 5.0
CONNECTIONS_MAX = 256


class Reply(msgspec.Struct, frozen=True):
    """A whole HTTP answer."""

    status: int
    body: dict[str, Any]


class Outbound:
    """Connections to one vendor at *base_url*. Use it as a context manager."""

    def __init__(self, base_url: str, *, timeout_s: float = 30.0) -> None:
        self._base_url = base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(_connected)
        trace.on_connection_reuseconn.append(_connected)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=CONNECT_S),
            trace_configs=[trace],
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(
        self, meter: Meter, path: str, body: dict[str, Any], *, key: Secret | None = None
    ) -> Reply:
        """
        Send one request of the call that *meter* follows, with the vendor's *key* if it wants one.

        Raises:
            VendorUnreachable: nothing was sent.
            VendorCutOff: something was, and no whole answer came.
        """
        assert isinstance(meter, Meter), "what sends needs the meter of a grant"
        assert self._session is not None, "use `async with`"
        was_reached = meter.reached
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key.reveal()}"
        try:
            async with self._session.post(
                f"{self._base_url}{path}",
                data=msgspec.json.encode(body),
                headers=headers,
                allow_redirects=False,
                trace_request_ctx=meter,
            ) as response:
                return Reply(response.status, await _read(response))
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as problem:
            what = f"{type(problem).__name__}: {problem}"
            if meter.reached and not (was_reached and _never_connected(problem)):
                raise VendorCutOff(what) from problem
            raise VendorUnreachable(what) from problem


async def _connected(_session: aiohttp.ClientSession, context: Any, _params: Any) -> None:
    context.trace_request_ctx.sending()


async def _read(response: aiohttp.ClientResponse) -> dict[str, Any]:
    content = await response.content.read(ANSWER_BYTES_MAX + 1)
    while len(content) <= ANSWER_BYTES_MAX and not response.content.at_eof():
        content += await response.content.read(ANSWER_BYTES_MAX + 1 - len(content))
    if len(content) > ANSWER_BYTES_MAX:
        raise aiohttp.ClientPayloadError(f"more than {ANSWER_BYTES_MAX} bytes")
    return msgspec.json.decode(content, type=dict[str, Any]) if content else {}


def _never_connected(problem: Exception) -> bool:
    return isinstance(problem, aiohttp.ClientConnectorError)
