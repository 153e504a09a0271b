"""A TCP proxy in front of a nats-server that loses what a network can lose."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

ACKNOWLEDGEMENT = b'"seq":'


class Proxy:
    """
    Passes bytes on until told otherwise.

    `fate` decides about what the server says next: "pass", "lose" (the next acknowledgement is
    dropped, the connection stays) or "cut" (the connection is cut instead of passing it on).
    `cuts_left`: so many publishes of the client do not arrive; the connection is cut instead.
    `is_dead`: nothing arrives anywhere, and nobody is told.
    """

    def __init__(self, server_url: str) -> None:
        self._server = urlsplit(server_url)
        self.fate = "pass"
        self.cuts_left = 0
        self.is_dead = False
        self.hit = asyncio.Event()
        self.cuts = 0
        self._pumps: set[asyncio.Task] = set()
        self._listener: asyncio.Server | None = None

    @property
    def url(self) -> str:
        port = self._listener.sockets[0].getsockname()[1]
        login = self._server.netloc.rpartition("@")[0]
        return f"nats://{login}@127.0.0.1:{port}"

    async def __aenter__(self):
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_):
        self._listener.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _accept(self, from_client, to_client):
        from_server, to_server = await asyncio.open_connection(
            self._server.hostname, self._server.port
        )
        pumps = {
            asyncio.create_task(self._to_server(from_client, to_server)),
            asyncio.create_task(self._to_client(from_server, to_client)),
        }
        self._pumps |= pumps
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        self._pumps -= pumps
        for writer in (to_server, to_client):
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _to_server(self, reader, writer):
        while data := await reader.read(65536):
            if self.is_dead:
                continue
            if self.cuts_left and b"PUB " in data:
                self.cuts_left -= 1
                self.cuts += 1
                self.hit.set()
                return
            writer.write(data)
            await writer.drain()

    async def _to_client(self, reader, writer):
        while data := await reader.read(65536):
            if self.is_dead:
                continue
            if self.fate != "pass" and ACKNOWLEDGEMENT in data:
                fate, self.fate = self.fate, "pass"
                self.cuts += 1
                self.hit.set()
                if fate == "cut":
                    return
                continue
            writer.write(data)
            await writer.drain()
