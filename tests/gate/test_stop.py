"""A worker that is asked to stop: soon, cleanly, without losing what it said."""

from __future__ import annotations

import asyncio
import time

from contracts.budget import CallRefused, RefusalsCounted
from domain.flood import REFUSALS_RECORDED_PER_S
from tests.rig.checking import check_acknowledged, read_log
from tests.rig.loading import Load
from tests.rig.twins import PRICE_NANOS, provision_twin

STOPS_WITHIN_S = 5.0
ROOMY, TIGHT = "cantor", "fernandez"
LOAD_S = 5.0


async def stopped(worker) -> float:
    """Stop a worker; return how long it took. It must end by itself."""
    began_s = time.monotonic()
    assert await worker.stop(timeout_s=2 * STOPS_WITHIN_S) == 0, worker.said()[-2_000:]
    return time.monotonic() - began_s


async def test_a_clean_stop_under_load_loses_nothing_not_even_a_count(deployment):
    """
    What was acknowledged is in the log once; refusals of a flood are counted to the last one.
    """
    first = await deployment.start("worker")
    await provision_twin(deployment, ROOMY)
    await provision_twin(deployment, TIGHT, limit_nanos=PRICE_NANOS)
    load = await Load.prepare(
        deployment, processes=2, tenants=[ROOMY, TIGHT], clients=6, seconds=LOAD_S, pause_s=0.0
    )
    await load.begin()
    await asyncio.sleep(1.5)
    assert await stopped(first) < STOPS_WITHIN_S
    second = await deployment.start("worker")
    answers = await load.answers()
    assert await stopped(second) < STOPS_WITHIN_S

    assert not [line for line in answers if line["kind"] == "unknown"]
    for tenant in (ROOMY, TIGHT):
        logged = await read_log(deployment, tenant)
        assert check_acknowledged(answers, tenant, logged) > 50
    refused = [a for a in answers if a["tenant"] == TIGHT and a["status"] == 402]
    events = (await read_log(deployment, TIGHT)).events
    recorded = [event for event in events if isinstance(event, CallRefused)]
    counted = [event for event in events if isinstance(event, RefusalsCounted)]
    assert counted, "there was no flood"
    assert len(recorded) + sum(sum(e.counts.values()) for e in counted) == len(refused)
    seconds = int(LOAD_S) + 3
    assert len(recorded) + len(counted) <= (REFUSALS_RECORDED_PER_S + 1) * seconds


async def test_a_worker_stops_although_the_bus_is_gone(deployment):
    """
    Whoever stops everything may stop the bus first.
    """
    worker = await deployment.start("worker")
    await provision_twin(deployment, ROOMY)
    load = await Load.prepare(deployment, tenants=[ROOMY], clients=8, seconds=2.0, deadline_s=1.0)
    await load.begin()
    await asyncio.sleep(1)
    deployment.bus.kill()
    await asyncio.sleep(0.2)
    assert await stopped(worker) < STOPS_WITHIN_S
    await load.answers()
