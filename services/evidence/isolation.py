"""
EV-02: tenants are strictly apart.

"Use Tenant A's valid key to request Tenant B's avatar. RESULT: Immediate 403 Forbidden."
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

import aiohttp
import msgspec
import nats
from nats.aio.client import Client

from contracts import subjects
from contracts.access import Scope
from contracts.policy import BudgetPolicy, Policy, RatePolicy
from contracts.price_book import PriceBook
from contracts.usage import Usage
from contracts.views import BudgetView
from services.client import GateClient, NotAllowed
from services.evidence.exhibit import Exhibit, Expected
from services.evidence.target import Target
from services.identity.api_key import NewKey
from services.twins.prices import TAVUS_VIDEO

GRANTED, FORBIDDEN = 200, 403
SCOPES: list[Scope] = ["calls", "agent", "read", "mint"]
IMMEDIATE_MS = 1_000
_ASKED_WITHIN_S = 5.0
METHOD = (
    "Two new twins, A and B, and an API key of A with every scope. With it: a call of A is"
    " authorised (the control), then the same is asked for B and for a twin that does not exist,"
    " over HTTP and over NATS; B's audit log, live budget and pushes are asked for as well. The"
    " answers about B and about the twin that does not exist are compared byte for byte. Afterwards"
    " B's log must be where it was."
)
POLICY = Policy(
    rate=RatePolicy(requests=100, burst=100),
    budget=BudgetPolicy(monthly_hard_limit_nanos=1_000_000_000),
    modalities=["video"],
)
BOOK = PriceBook([TAVUS_VIDEO])
_CALL = {
    "modality": "video",
    "provider_id": TAVUS_VIDEO.provider_id,
    "sku": TAVUS_VIDEO.sku,
    "estimate": {"stream_ms": 1_000},
}


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """
    What A's key was told. *own* are statuses for A; the others for B, then for nobody.

    *differences* name requests whose answer for B is not that for a twin that does not exist.
    """

    own: dict[str, int]
    foreign: dict[str, int]
    nobody: dict[str, int]
    differences: list[str]
    hears_pushes: bool
    slowest_ms: float
    position_before: int
    position_after: int


def judge(seen: Seen, expected: Expected) -> None:
    """Note what contradicts the claim."""
    for what, status in seen.own.items():
        expected.equal(f"A's key for A, {what}", status, GRANTED)
    for what, status in (*seen.foreign.items(), *seen.nobody.items()):
        expected.equal(f"A's key for another, {what}", status, FORBIDDEN)
    expected.equal("requests tried for another", len(seen.foreign), len(seen.own))
    expected.equal("answers that tell whether B exists", seen.differences, [])
    expected.equal("pushes to B's agents that A may hear", int(seen.hears_pushes), 0)
    expected.equal("B's log position", seen.position_after, seen.position_before)
    expected.between("slowest refusal, ms", int(seen.slowest_ms), 0, IMMEDIATE_MS)


async def isolation(target: Target) -> Exhibit:
    """Try it, and judge."""
    async with (
        target.twin("ev02-a", POLICY, BOOK) as mine,
        target.twin("ev02-b", POLICY, BOOK) as theirs,
    ):
        seen = await _with_key_of(target, mine, theirs)
    expected = Expected()
    judge(seen, expected)
    return Exhibit(
        id="EV-02",
        claim="Tenant isolation: a valid key of tenant A is refused (403) for tenant B's avatar, at"
        " once and at every door, and learns nothing about B.",
        method=METHOD,
        observed={
            "A's key for A": ", ".join(f"{what} {s}" for what, s in seen.own.items()),
            "A's key for B": ", ".join(f"{what} {s}" for what, s in seen.foreign.items()),
            "answers that differ from those about nobody": len(seen.differences),
            "slowest refusal, ms": round(seen.slowest_ms),
            "commits in B's log before and after": f"{seen.position_before}, {seen.position_after}",
        },
        faults=expected.faults,
    )


async def _with_key_of(target: Target, mine: GateClient, theirs: GateClient) -> Seen:
    key = await target.key(mine, SCOPES)
    nobody = f"ev02-{secrets.token_hex(4)}"
    before = (await theirs.show(BudgetView)).position
    over_http = [await _over_http(target, key, name) for name in (mine.tenant, theirs.tenant)]
    over_http.append(await _over_http(target, key, nobody))
    over_bus = [await _over_bus(target, key, name) for name in (mine.tenant, theirs.tenant, nobody)]
    hears = await _hears(target, key, theirs.tenant)
    answers = [http | bus for http, bus in zip(over_http, over_bus, strict=True)]
    own, foreign, none = ({what: a.status for what, a in one.items()} for one in answers)
    return Seen(
        own=own,
        foreign=foreign,
        nobody=none,
        differences=[what for what, a in answers[1].items() if a.body != answers[2][what].body],
        hears_pushes=hears,
        slowest_ms=max(a.took_ms for one in answers[1:] for a in one.values()),
        position_before=before,
        position_after=(await theirs.show(BudgetView)).position,
    )


class _Answer(msgspec.Struct, frozen=True):
    """What a request was answered with, the name of the twin taken out."""

    status: int
    body: bytes
    took_ms: float


async def _over_http(target: Target, key: NewKey, tenant: str) -> dict[str, _Answer]:
    asked = {
        "GET audit log": ("GET", "audit-log"),
        "GET live budget": ("GET", "live/budget"),
        "POST authorise": ("POST", "budget/authorize"),
    }
    headers = {"Authorization": f"Bearer {key.text}", "Idempotency-Key": secrets.token_hex(8)}
    timeout = aiohttp.ClientTimeout(total=_ASKED_WITHIN_S)
    found = {}
    async with aiohttp.ClientSession(
        target.read_side.url, headers=headers, timeout=timeout
    ) as http:
        for what, (method, path) in asked.items():
            body = _CALL if method == "POST" else None
            began_s = perf_counter()
            async with http.request(method, f"/v1/tenants/{tenant}/{path}", json=body) as answer:
                text = await answer.read()
            took_ms = (perf_counter() - began_s) * 1_000
            found[what] = _Answer(answer.status, text.replace(tenant.encode(), b"?"), took_ms)
    return found


async def _over_bus(target: Target, key: NewKey, tenant: str) -> dict[str, _Answer]:
    began_s = perf_counter()
    async with GateClient.connect(**_addresses(target), tenant=tenant, key=key.text) as gate:
        try:
            decision = await gate.authorize(
                modality="video",
                provider_id=TAVUS_VIDEO.provider_id,
                sku=TAVUS_VIDEO.sku,
                estimate=Usage(stream_ms=1_000),
            )
            status, body = decision.status, b""
        except NotAllowed as refused:
            status, body = refused.status, str(refused).replace(tenant, "?").encode()
    return {"NATS authorise": _Answer(status, body, (perf_counter() - began_s) * 1_000)}


async def _hears(target: Target, key: NewKey, tenant: str) -> bool:
    """Whether the bus lets the key listen to what another twin's agents are told."""
    async with _raw(target, key) as (bus, refused):
        await bus.subscribe(subjects.pushes(tenant))
        await bus.flush()
        try:
            async with asyncio.timeout(_ASKED_WITHIN_S):
                await refused.wait()
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def _raw(target: Target, key: NewKey) -> AsyncIterator[tuple[Client, asyncio.Event]]:
    refused = asyncio.Event()

    async def note(problem: Exception) -> None:
        if "permissions violation" in str(problem).lower():
            refused.set()

    where = _addresses(target)
    bus = await nats.connect(
        list(where["url"]), tls=where["tls"], user="key", password=key.text, error_cb=note
    )
    try:
        yield bus, refused
    finally:
        await bus.close()


def _addresses(target: Target) -> dict[str, Any]:
    return {name: target.login[name] for name in ("url", "tls")}
