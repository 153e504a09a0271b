"""One run of the demo, from connecting to the closing check."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import AsyncExitStack
from typing import Any

from rich.console import Console

from contracts.views import BudgetView
from services.client import GateClient
from services.client.connection import of_login
from services.client.read_side import Meters, ReadSide
from services.demo import screen
from services.demo.check import Finding, check
from services.demo.schedule import is_goal, turns
from services.demo.tally import Tally
from services.demo.trace import read_trace
from services.demo.traffic import TalliedClient, Traffic
from services.demo.turns import PROVIDERS
from services.demo.vendor import running_vendor
from services.live.parts import open_parts
from services.settings import Settings
from services.twins import TWINS
from services.twins.calibration import Studio
from services.twins.provisioning import provision_demo_twins
from services.vendors.adapter import Vendors
from services.vendors.counting import CountingAdapter
from services.vendors.outbound import Outbound

FRAME_S = 0.25
US = 1_000_000


class Demo:
    """A run for *seconds* at *speed* times the trace's own pace."""

    def __init__(
        self, settings: Settings, console: Console, *, speed: float, seconds: float
    ) -> None:
        self._settings = settings
        self._console = console
        self._speed = speed
        self._seconds = seconds
        self._tallies = {twin.tenant: Tally() for twin in TWINS}

    async def run(self) -> bool:
        """Play, sum up, and say whether the closing check holds."""
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            vendor_url = await enter(running_vendor())
            outbound = await enter(Outbound(vendor_url))
            login: dict[str, Any] = of_login(self._settings.nats("client"))
            # The samples of a first start are no traffic, so they are not tallied.
            await provision_demo_twins(
                await enter(GateClient.connect(**login, tenant=TWINS[0].tenant)),
                Studio(parts=await open_parts(self._settings, stack)),
            )
            first = await enter(TalliedClient.connect(**login, tenant=TWINS[0].tenant))
            clients = {tenant: first.for_tenant(tenant) for tenant in self._tallies}
            for tenant, client in clients.items():
                client.tally = self._tallies[tenant]
            before = {name: await gate.show(BudgetView) for name, gate in clients.items()}
            vendors = Vendors(*(CountingAdapter(name, outbound) for name in PROVIDERS))
            traffic = Traffic(clients, vendors, speed=self._speed, timing=first.timing)
            elapsed_s = await self._play(traffic)
            await first.errands.drain()
            findings = await self._check(clients, before)
            for part in screen.summary(
                self._tallies, findings, elapsed_s=elapsed_s, turns=traffic.sent
            ):
                self._console.print(part, highlight=False, soft_wrap=isinstance(part, str))
            return all(finding.holds for finding in findings)

    async def _play(self, traffic: Traffic) -> float:
        schedule = turns(
            read_trace(),
            speed=self._speed,
            lasts_us=int(self._seconds * US),
            run=secrets.token_hex(3),
        )
        began_s = time.monotonic()
        playing = asyncio.create_task(traffic.run(schedule))
        try:
            await self._watch(traffic, playing, began_s)
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
        playing.result()
        return time.monotonic() - began_s

    async def _watch(self, traffic: Traffic, playing: asyncio.Task[None], began_s: float) -> None:
        shown = screen.screen_for(self._console)
        decisions, at_s = 0, began_s
        try:
            while not playing.done():
                await asyncio.wait((playing,), timeout=FRAME_S)
                now_s = time.monotonic()
                moment = screen.Moment(
                    self._tallies,
                    elapsed_s=now_s - began_s,
                    in_flight=traffic.in_flight,
                    goal=is_goal(int((now_s - began_s) * US)),
                )
                rate = (moment.decisions - decisions) / (now_s - at_s)
                shown.show(moment, rate=rate)
                decisions, at_s = moment.decisions, now_s
        finally:
            shown.close()

    async def _check(
        self, clients: dict[str, TalliedClient], before: dict[str, BudgetView]
    ) -> list[Finding]:
        settings = self._settings
        findings: list[Finding] = []
        async with AsyncExitStack() as stack:
            reader: ReadSide | None = None
            if settings.api_port and settings.api_key is not None:
                url = f"http://{settings.api_host}:{settings.api_port}"
                reader = await stack.enter_async_context(ReadSide(url, settings.bearer_key()))
            for tenant, gate in clients.items():
                after = await gate.show(BudgetView)
                shown: Meters | None = None
                if reader is not None:
                    shown = await reader.meters(tenant, position=after.position)
                findings += check(tenant, self._tallies[tenant], before[tenant], after, shown)
        return findings
