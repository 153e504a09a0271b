"""
What a day has cost, line by line: the log, the tables that an auditor asks, and the vendors' bills.

The lines come from the query API, over tables that the real projections have filled from the real
log; they are priced again here, from the price book and the quantities alone.
"""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager

from contracts.subjects import shard_of
from contracts.usage import Usage
from projections.projection import Commit
from services.migrations import prepare_database
from services.tenant_log.replay import commits
from tests.projector.read_side import connected, project
from tests.query_api.conftest import as_reader, serving
from tests.vendors.speaking import price

QUANTITIES = Usage.__struct_fields__
LEGS = ("text", "voice", "video", "data")


@asynccontextmanager
async def explained(deployment, dsn, twin, book):
    """The bill of a twin, in the empty database *dsn*."""
    await prepare_database(dsn)
    async with deployment.log() as (stores, keys):
        shard = shard_of(twin.tenant, len(stores))
        found = [
            Commit(0, one.seq, twin.tenant, one.line.index, one.line.at_us, one.events)
            async for one in commits(twin.tenant, stores[shard], keys)
        ]
    async with connected(dsn) as owner:
        await project(owner, [found])
    async with serving(as_reader(dsn)) as api:
        yield Bill(api, twin, book)


class Bill:
    """See above."""

    def __init__(self, api, twin, book):
        self._api = api
        self._twin = twin
        self._prices = {(entry.provider_id, entry.sku): entry for entry in book.entries}

    async def lines(self):
        """The audit log: a row for each call that was made."""
        return await self._api.pages(f"/v1/tenants/{self._twin.tenant}/audit-log", limit=200)

    async def sessions(self):
        """The sessions, by id."""
        rows = await self._api.pages(f"/v1/tenants/{self._twin.tenant}/sessions", limit=200)
        return {row["session_id"]: row for row in rows}

    async def story(self, session_id):
        """What was decided about a session."""
        path = f"/v1/tenants/{self._twin.tenant}/sessions/{session_id}/story"
        return await self._api.pages(path, limit=200)

    async def meters(self):
        """Committed and held, by unit."""
        answer = await self._api.get(f"/v1/tenants/{self._twin.tenant}/meters")
        return {row["unit"]: (row["committed"], row["held"]) for row in answer.json["meters"]}

    def repriced(self, line):
        """What a line costs by the price book and its own quantities."""
        entry = self._prices[line["provider_id"], line["sku"]]
        return price(entry, Usage(**{name: line[name] for name in QUANTITIES}))

    def billed(self):
        """What each vendor bills, by the price book."""
        self._twin.sandbox.reckon()
        ledger = self._twin.sandbox.ledger
        bills = {}
        for (vendor, sku), entry in self._prices.items():
            if (vendor, sku) in self._sold():
                bills[vendor] = price(entry, ledger.bill(vendor))
        return {vendor: nanos for vendor, nanos in bills.items() if nanos}

    def _sold(self):
        # The sandbox bills by vendor: of each, the first product is the one that is used.
        firsts = {}
        for vendor, sku in self._prices:
            firsts.setdefault(vendor, sku)
        return set(firsts.items())

    async def check(self):
        """Every line, every session, every meter and every vendor agree, to the nano."""
        lines, sessions = await self.lines(), await self.sessions()
        assert lines
        for line in lines:
            assert line["cost_nanos"] == self.repriced(line), line
            assert line["overrun_nanos"] == 0, line
        by_vendor, by_leg = Counter(), Counter()
        for line in lines:
            by_vendor[line["provider_id"]] += line["cost_nanos"]
            by_leg[line["session_id"], line["modality"]] += line["cost_nanos"]
        assert {vendor: nanos for vendor, nanos in by_vendor.items() if nanos} == self.billed()
        for session_id, row in sessions.items():
            for leg in LEGS:
                assert row[f"{leg}_nanos"] == by_leg[session_id, leg], (session_id, leg)
            await self._check_story(session_id, row)
        total = sum(row["cost_nanos"] for row in sessions.values())
        assert total == sum(by_vendor.values()), "a line without a session"
        assert (await self.meters())["money"] == (total, 0)
        return total

    async def _check_story(self, session_id, row):
        story = await self.story(session_id)
        settled = [one for one in story if one["code"] == "settled"]
        assert sum(one["cost_nanos"] for one in settled) == row["cost_nanos"]
        granted = [one for one in story if one["noun"] == "budget" and one["status"] == 200]
        granted = [one for one in granted if one["verb"] == "authorize"]
        assert all(one["hold"] in ("settled", "released") for one in granted), story
        assert len(settled) == sum(one["hold"] == "settled" for one in granted)
