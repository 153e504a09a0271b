"""
EV-01: a hard limit is hard.

"Configure Tenant A with $1.00 limit. Run $1.01 of simulated traffic. RESULT: Request #101 must fail
with 402. Vendor API MUST NOT be called."
"""

from __future__ import annotations

import asyncio

import msgspec

from contracts.budget import CallOption
from contracts.policy import BudgetPolicy, Policy, RatePolicy
from contracts.price_book import Price, PriceBook, PriceEntry, Provenance
from contracts.replies import Decision
from contracts.usage import Usage
from contracts.views import BudgetView
from services.client import GateClient
from services.demo.check import committed_nanos, held_nanos
from services.evidence.exhibit import Exhibit, Expected
from services.evidence.target import Target, counted_vendors
from services.vendors.adapter import Vendors, Way
from services.vendors.metered import metered_call

DOLLAR = 1_000_000_000
LIMIT_NANOS = DOLLAR
CALL_NANOS = DOLLAR // 100
CALLS = 101
AFFORDED = LIMIT_NANOS // CALL_NANOS
GRANTED, PAYMENT_REQUIRED = 200, 402
PROVIDER, SKU = "acme", "cent-calls"
METHOD = (
    "A new twin with a limit of $1.00 and calls at $0.01. 101 calls through the client, each made"
    " at a counting vendor over HTTP when granted, and settled: first one after the other, then, on"
    " a second twin, all at once."
)

POLICY = Policy(
    rate=RatePolicy(requests=1_000_000, burst=1_000_000),
    budget=BudgetPolicy(monthly_hard_limit_nanos=LIMIT_NANOS),
    modalities=["data"],
)
BOOK = PriceBook(
    [
        PriceEntry(
            PROVIDER,
            SKU,
            "data",
            {"requests": Price(CALL_NANOS)},
            Provenance("EV-01 of the requirements", "2026-11-22"),
        )
    ]
)
WAY = Way(CallOption("data", PROVIDER, SKU, Usage(requests=1)))


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What one series of calls showed. *statuses* in the order in which the calls were made."""

    statuses: list[int]
    last_code: str
    last_retry_after_ms: int | None
    vendor_calls: int
    committed_nanos: int
    held_nanos: int
    audit_entries: int


def judge(series: str, seen: Seen, expected: Expected, *, in_order: bool) -> None:
    """Note what in one series contradicts the claim."""
    expected.equal(f"{series}: calls granted", seen.statuses.count(GRANTED), AFFORDED)
    expected.equal(f"{series}: calls refused with 402", seen.statuses.count(PAYMENT_REQUIRED), 1)
    expected.equal(f"{series}: calls answered", len(seen.statuses), CALLS)
    if in_order:
        expected.equal(f"{series}: status of call #101", seen.statuses[-1], PAYMENT_REQUIRED)
        expected.equal(f"{series}: code", seen.last_code, "monthly_hard_limit_reached")
        # 402 means that waiting does not help; a Retry-After would say that it does.
        expected.equal(f"{series}: Retry-After", seen.last_retry_after_ms, None)
    expected.equal(f"{series}: calls that reached the vendor", seen.vendor_calls, AFFORDED)
    expected.equal(f"{series}: nanos committed", seen.committed_nanos, LIMIT_NANOS)
    expected.equal(f"{series}: nanos still held", seen.held_nanos, 0)
    expected.equal(f"{series}: entries in audit_logs", seen.audit_entries, AFFORDED)


async def hard_limit(target: Target) -> Exhibit:
    """Try it, and judge."""
    one_by_one = await _series(target, at_once=False)
    at_once = await _series(target, at_once=True)
    expected = Expected()
    judge("one by one", one_by_one, expected, in_order=True)
    judge("all at once", at_once, expected, in_order=False)
    return Exhibit(
        id="EV-01",
        claim="Hard limit: with $1.00, call #101 at $0.01 fails with 402 and no vendor is called.",
        method=METHOD,
        observed={
            "call #101": f"{one_by_one.statuses[-1]} {one_by_one.last_code}",
            "vendor calls, one by one": one_by_one.vendor_calls,
            "committed nanos, one by one": one_by_one.committed_nanos,
            "granted and refused, all at once": (
                f"{at_once.statuses.count(GRANTED)} and {at_once.statuses.count(PAYMENT_REQUIRED)}"
            ),
            "vendor calls, all at once": at_once.vendor_calls,
            "overshoot, nanos": max(
                seen.committed_nanos + seen.held_nanos - LIMIT_NANOS
                for seen in (one_by_one, at_once)
            ),
        },
        faults=expected.faults,
    )


async def _series(target: Target, *, at_once: bool) -> Seen:
    async with (
        counted_vendors(PROVIDER) as (vendor, vendors),
        target.twin("ev01", POLICY, BOOK) as gate,
    ):
        if at_once:
            calls = [_call(gate, vendors) for _ in range(CALLS)]
            decisions = list(await asyncio.gather(*calls))
        else:
            decisions = [await _call(gate, vendors) for _ in range(CALLS)]
        budget = await gate.show(BudgetView)
        audit = await target.read_side.audit_log(gate.tenant, position=budget.position)
        return Seen(
            statuses=[decision.status for decision in decisions],
            last_code=decisions[-1].code,
            last_retry_after_ms=decisions[-1].retry_after_ms,
            vendor_calls=vendor.calls,
            committed_nanos=committed_nanos(budget),
            held_nanos=held_nanos(budget),
            audit_entries=len(audit),
        )


async def _call(gate: GateClient, vendors: Vendors) -> Decision:
    return (await metered_call(gate, vendors, WAY)).decision
