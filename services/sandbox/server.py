"""One HTTP server on loopback with every vendor under its own prefix."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from typing import Final, Self

from aiohttp import web

from services.failure import Failure
from services.sandbox.api_football import ApiFootball
from services.sandbox.cartesia import Cartesia
from services.sandbox.clock import Clock, MachineClock
from services.sandbox.control import Control
from services.sandbox.deepgram import Deepgram
from services.sandbox.faults import Faults
from services.sandbox.keys import Keys
from services.sandbox.ledger import CALLS_KEPT, Ledger
from services.sandbox.livekit import LiveKit
from services.sandbox.newsapi import NewsApi
from services.sandbox.openai import Anthropic, OpenAI
from services.sandbox.site import Site
from services.sandbox.sportradar import SportRadar
from services.sandbox.tavus import Tavus
from services.sandbox.vendor import Frame, SandboxVendor
from services.sandbox.youtube import YouTube

LOOPBACK: Final = "127.0.0.1"
REQUEST_BYTES_MAX: Final = 4 << 20
STOP_S: Final = 0.5

VENDORS: Final[tuple[type[SandboxVendor], ...]] = (
    Anthropic,
    ApiFootball,
    Cartesia,
    Deepgram,
    LiveKit,
    NewsApi,
    OpenAI,
    Site,
    SportRadar,
    Tavus,
    YouTube,
)


class PortTaken(Failure):
    """Somebody else listens there."""


class Sandbox:
    """
    The vendors, while it is open: `async with Sandbox() as sandbox: sandbox.base_url("tavus")`.

    *port* 0 picks one. *clock* and *keys* are a test's; *ledger* and *faults* are there to be read
    and set in the same process, `/_sandbox/` from another.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        clock: Clock | None = None,
        keys: Mapping[str, Iterable[str]] | None = None,
        calls_kept: int = CALLS_KEPT,
    ) -> None:
        self._port = port
        self.clock = clock or MachineClock()
        self.ledger = Ledger(calls_kept)
        self.faults = Faults()
        self.frame = Frame(self.clock, self.ledger, self.faults, Keys(keys))
        self.vendors = {kind.name: kind(self.frame) for kind in VENDORS}
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=STOP_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, LOOPBACK, self._port).start()
        except OSError as problem:
            await runner.cleanup()
            if problem.errno != errno.EADDRINUSE:
                raise
            raise PortTaken(
                f"Something listens on port {self._port} already.",
                "give another --port, or 0 to have one picked.",
            ) from problem
        self._runner = runner
        self.url = f"http://{LOOPBACK}:{runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def base_url(self, vendor: str) -> str:
        """What an adapter of *vendor* takes for the vendor's address; raises KeyError."""
        return f"{self.url}/{self.vendors[vendor].name}"

    def reckon(self) -> None:
        """Bring the ledger up to date with the clock; do so before reading it."""
        for vendor in self.vendors.values():
            vendor.due()
            vendor.reckon()

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=REQUEST_BYTES_MAX)
        app.add_routes(Control(self.frame, self.vendors, self.reckon).routes())
        for name, vendor in self.vendors.items():
            part = web.Application(client_max_size=REQUEST_BYTES_MAX)
            part.add_routes(vendor.routes())
            app.add_subapp(f"/{name}", part)
            control = web.Application()
            control.add_routes(vendor.control_routes())
            app.add_subapp(f"/_sandbox/{name}", control)
        return app
