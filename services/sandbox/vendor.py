"""What a vendor's module is: a name, routes, its state, and what the frame does for all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ClassVar, TypeAlias

import msgspec
from aiohttp import web

from services.sandbox.clock import Clock
from services.sandbox.exchange import ConnectionCut, Exchange, Exchanging, StatusFault
from services.sandbox.faults import Faults
from services.sandbox.keys import Keys, default_key, last_four
from services.sandbox.ledger import Ledger

Handler: TypeAlias = Callable[[Exchange], Awaitable[web.StreamResponse]]


class Frame(msgspec.Struct, frozen=True):
    """What all vendors of a sandbox share."""

    clock: Clock
    ledger: Ledger
    faults: Faults
    keys: Keys


class SandboxVendor(ABC):
    """
    One vendor. *name* is its prefix in the URL and in the ledger.

        def routes(self):
            return [web.post("/v2/things", self.counted("thing.create", self._create))]

    A counted handler runs after the key was checked and the fault has struck; it says what it
    bills with `exchange.bill`.
    """

    name: ClassVar[str]

    def __init__(self, frame: Frame) -> None:
        self.frame = frame

    @property
    def usable_key(self) -> str:
        """What a customer without a key of their own puts into their vault."""
        return default_key(self.name)

    # -- what a vendor says in its own way ------------------------------------------

    @abstractmethod
    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Its paths, without the prefix."""

    @abstractmethod
    def shown_key(self, request: web.Request) -> str:
        """The key that a request shows, or an empty text."""

    @abstractmethod
    def error(self, status: int, detail: str = "") -> web.Response:
        """Its own body for an error; 401 is what it says to an unknown key."""

    def shown_name(self, request: web.Request, body: bytes) -> str:  # noqa: ARG002
        """The name that the caller gives to what they ask for, or an empty text."""
        return ""

    def control_routes(self) -> Iterable[web.AbstractRouteDef]:
        """What stands for its other doors (media, telephones), below /_sandbox/<name>."""
        return []

    def due(self) -> None:  # noqa: B027 - most vendors need none
        """Apply what time alone brings: a conversation that reached its end. Called often."""

    def reckon(self) -> None:  # noqa: B027 - likewise
        """Bring the bill of what goes on up to date; called before the ledger is read."""

    # -- what the frame does ----------------------------------------------------------

    @property
    def now_us(self) -> int:
        return self.frame.clock.now_us()

    def accepts(self, request: web.Request) -> bool:
        """Whether the request shows a key that the vendor knows."""
        return self.frame.keys.accepts(self.name, self.shown_key(request))

    def exchange(self, request: web.Request, operation: str) -> Exchanging:
        """
        Count one piece of work inside a connection, such as an utterance on a WebSocket.

        The caller asks `begin`, `chunk` and `done` itself, and answers StatusFault in the
        vendor's way.
        """
        call = self.frame.ledger.open(self.name, operation, self.now_us)
        call.key_last_four = last_four(self.shown_key(request))
        fault = self.frame.faults.strike(self.name, operation)
        return Exchanging(Exchange(request, call, fault, self.frame.clock), self.frame.ledger)

    def counted(self, operation: str, handler: Handler) -> Callable[[web.Request], Any]:
        """A handler of one request that is checked, counted and struck by faults."""

        async def handle(request: web.Request) -> web.StreamResponse:
            self.due()
            try:
                async with self.exchange(request, operation) as exchange:
                    response = await self._answered(exchange, handler)
                    exchange.call.status = response.status
                    return response
            except StatusFault as struck:
                response = self.error(struck.fault.status, struck.fault.detail)
                response.headers.update(struck.fault.headers)
                return response
            except ConnectionCut:
                # Nobody reads it: the connection is gone.
                return web.Response()

        return handle

    async def _answered(self, exchange: Exchange, handler: Handler) -> web.StreamResponse:
        if not self.accepts(exchange.request):
            return self.error(401)
        # All of it arrives before anything is done with it, also when the caller then goes away.
        body = await exchange.request.read()
        exchange.call.named = self.shown_name(exchange.request, body)
        await exchange.begin()
        self.due()
        response = await handler(exchange)
        exchange.done()
        return response


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer; structs and plain values alike."""
    return web.Response(
        body=msgspec.json.encode(body),
        status=status,
        headers=headers,
        content_type="application/json",
    )


async def read_object(request: web.Request) -> dict[str, Any] | None:
    """The JSON object in a request's body; None when it is none."""
    try:
        return msgspec.json.decode(await request.read() or b"{}", type=dict[str, Any])
    except msgspec.MsgspecError:
        return None
