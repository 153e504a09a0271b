"""
What `Outbound` hands out when an answer comes in pieces: a streamed reply, or a socket.

Both are bounded: a streamed reply by its size, by the time between two pieces and by the time of
all of it; a socket by the size of a message and by how long one waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import aiohttp
import msgspec

from services.client.meter import Meter
from services.vendors.adapter import VendorCutOff

# Of an answer that says what went wrong, this much is read.
ERROR_BYTES_MAX = 64 << 10
FINISH_S = 0.2
# What is already on this machine is there within this time.
ARRIVED_S = 0.01
SOCKET_CLOSE_S = 1.0
# A kept socket with more than this to say to nobody is not worth listening to.
LEFT_OVER_MAX = 1_000


class SocketRefused(Exception):
    """The vendor answered an opening handshake with an error; *status* is its HTTP status."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(f"the handshake was answered with status {status}")
        self.status = status
        self.headers = headers


class StreamedReply:
    """An HTTP answer of which the head is there. *headers* are found by any spelling."""

    def __init__(self, response: aiohttp.ClientResponse, most_bytes: int) -> None:
        self._response = response
        self._most_bytes = most_bytes
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """
        Yield the body as it arrives.

        Raises VendorCutOff: it broke off, paused or lasted too long, or is longer than allowed.
        """
        received = 0
        try:
            async for chunk in self._response.content.iter_any():
                received += len(chunk)
                if received > self._most_bytes:
                    raise VendorCutOff(f"the answer has more than {self._most_bytes} bytes")
                yield chunk
        except (aiohttp.ClientError, TimeoutError) as problem:
            raise VendorCutOff(f"{type(problem).__name__}: {problem}") from problem

    async def arrived(self) -> AsyncGenerator[bytes, None]:
        """Yield what has arrived and nobody has read; does not wait for more."""
        left = self._most_bytes
        try:
            while left > 0:
                async with asyncio.timeout(ARRIVED_S):
                    chunk = await self._response.content.read(left)
                if not chunk:
                    return
                left -= len(chunk)
                yield chunk
        except (aiohttp.ClientError, TimeoutError):
            return

    async def error(self) -> Any:
        """Read an answer that is an error: its JSON value, None for anything else."""
        try:
            content = await self._response.content.read(ERROR_BYTES_MAX)
            while len(content) < ERROR_BYTES_MAX and not self._response.content.at_eof():
                content += await self._response.content.read(ERROR_BYTES_MAX - len(content))
            return msgspec.json.decode(content)
        except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError):
            # The status has said the most important; there is nothing more to learn.
            return None

    async def finish(self) -> None:
        """Read what little is left, so that the connection can be used again."""
        try:
            async with asyncio.timeout(FINISH_S):
                await self._response.content.read(ERROR_BYTES_MAX)
        except (aiohttp.ClientError, TimeoutError):
            # All that mattered was read; this connection is closed instead of kept.
            self._response.close()


class Socket:
    """An open WebSocket on which JSON objects travel. Sending needs the meter of a grant."""

    def __init__(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        self._connection = connection

    async def send(self, meter: Meter, message: Mapping[str, Any]) -> None:
        """
        Send one message of the call that *meter* follows; from here on it has reached its vendor.

        Raises VendorCutOff: it may have arrived.
        """
        assert isinstance(meter, Meter), "what sends needs the meter of a grant"
        meter.sending()
        try:
            await self._connection.send_str(msgspec.json.encode(message).decode())
        except (aiohttp.ClientError, OSError) as problem:
            raise VendorCutOff(f"{type(problem).__name__}: {problem}") from problem

    async def receive(self) -> dict[str, Any]:
        """Wait for the next message; raises VendorCutOff when there is none, or it is no object."""
        message = await self._connection.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise VendorCutOff(f"the socket ended: {message.type.name} {message.data}")
        try:
            return msgspec.json.decode(message.data, type=dict[str, Any])
        except msgspec.MsgspecError as problem:
            raise VendorCutOff(f"a message is no JSON object: {problem}") from problem

    async def is_alive(self) -> bool:
        """Whether it can be used again; what came for calls that are over is thrown away."""
        for _ in range(LEFT_OVER_MAX):
            if self._connection.closed or self._connection.get_extra_info("peername") is None:
                return False
            try:
                async with asyncio.timeout(0):
                    message = await self._connection.receive()
            except TimeoutError:
                return True
            if message.type is not aiohttp.WSMsgType.TEXT:
                return False
        return False

    async def close(self) -> None:
        """Close it; what does not close in time is dropped."""
        try:
            async with asyncio.timeout(SOCKET_CLOSE_S):
                await self._connection.close()
        except (TimeoutError, aiohttp.ClientError, OSError):
            # Whatever happens, the far side sees the connection go.
            transport = self._connection.get_extra_info("transport")
            if transport is not None:
                transport.abort()
