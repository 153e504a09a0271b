"""
kill -9 of everything under load: nothing acknowledged is lost or doubled, and the tables agree.

Two workers, two projectors (one of them waiting for the other to fall), a nats-server and a
PostgreSQL are killed at random moments and started again as their supervisor would, while other
processes authorise and settle. Then everything is healed and drained, and the log is held against
every answer that any client got, and the tables against the log.

    VITO_TEST_KILLS=200 VITO_TEST_SEED=7 pytest tests/chaos/test_kills.py -s
"""

from __future__ import annotations

import os
import random
import time
from itertools import pairwise

from contracts.usage import Usage
from tests.rig.checking import check_acknowledged, check_closed, read_log
from tests.rig.leftovers import processes_of
from tests.rig.loading import Load
from tests.rig.nemesis import Nemesis
from tests.rig.read_side import all_projected, check_tables, no_open_holds
from tests.rig.twins import LIMIT_NANOS, PRICE_NANOS, provision_twin

KILLS = int(os.environ.get("VITO_TEST_KILLS", "30"))
SEED = int(os.environ.get("VITO_TEST_SEED", str(random.SystemRandom().randrange(10**6))))
PAUSE_S = (0.1, 1.6)
# Now and then a bus or a database stays away for longer than a lease lasts.
AWAY_S = 3.0
TTL_MS = 3_000
TENANTS = ("cantor", "fernandez", "garcia", "lopez")
# Its limit is reached soon; from then on there is nothing but refusals.
TIGHT = "perez"
TIGHT_LIMIT_NANOS = 300 * PRICE_NANOS
HEALED_WITHIN_S = 60.0


async def start_load(deployment) -> list[Load]:
    """Clients that never give up, and clients that do, so that some never learn their answer."""
    job = {"tenants": [*TENANTS, TIGHT], "ttl_ms": TTL_MS, "seconds": None, "think_s": 0.02}
    patient = await Load.prepare(
        deployment, name="patient", clients=3, deadline_s=120.0, attempt_s=0.5, **job
    )
    hasty = await Load.prepare(
        deployment, name="hasty", clients=2, deadline_s=0.4, attempt_s=0.2, **job
    )
    for load in (patient, hasty):
        await load.begin()
    return [patient, hasty]


async def ask_again(deployment, unknown: list[dict], logs: dict) -> int:
    """
    Send every command again whose answer nobody knows. Return how many had been decided.

    What the log already has must come back as it is there; the rest is decided now, once.
    """
    decided = 0
    async with deployment.client(TENANTS[0], deadline_s=60.0) as any_gate:
        for line in unknown:
            gate = any_gate.for_tenant(line["tenant"])
            known = logs[line["tenant"]].decisions.get(line["command_id"])
            if line["asked"] == "authorize":
                answer = await gate.authorize(
                    modality="text",
                    provider_id="p",
                    sku="s",
                    estimate=Usage(requests=1),
                    ttl_ms=TTL_MS,
                    command_id=line["command_id"],
                )
            else:
                answer = await gate.settle(
                    line["reservation_id"], Usage(requests=1), command_id=line["command_id"]
                )
            if known is not None:
                decided += 1
                assert (answer.replayed, answer.position) == (True, known[1]), line
                assert answer.decision_id == f"{gate.tenant}.{known[0]}"
            line |= {"kind": line["asked"], "status": answer.status, "position": answer.position}
            line |= {
                "decision_id": answer.decision_id,
                "cost_nanos": getattr(answer, "cost_nanos", 0),
            }
    return decided


async def test_killed_anywhere_at_any_time_nothing_acknowledged_is_lost_or_doubled(whole):
    """
    See the module.
    """
    print(f"\nseed {SEED}, {KILLS} kills")
    deployment, postgres, dsn = whole
    directories = (deployment.directory, deployment.bus.directory, postgres.directory)
    nemesis = Nemesis(random.Random(SEED))
    for command in ("worker", "worker", "projector", "projector"):
        nemesis.process(deployment, command)
    nemesis.server(deployment.bus, away_s=AWAY_S)
    nemesis.server(postgres, away_s=AWAY_S)
    await nemesis.begin()
    for tenant in TENANTS:
        await provision_twin(deployment, tenant, limit_nanos=LIMIT_NANOS)
    await provision_twin(deployment, TIGHT, limit_nanos=TIGHT_LIMIT_NANOS)

    loads = await start_load(deployment)
    began_s = time.monotonic()
    await nemesis.rage(KILLS, pause_s=PAUSE_S)
    await nemesis.all_up()
    for load in loads:
        load.finish()
    answers = [line for load in loads for line in await load.answers()]
    took_s = time.monotonic() - began_s

    unknown = [line for line in answers if line["kind"] == "unknown"]
    logs = {tenant: await read_log(deployment, tenant) for tenant in (*TENANTS, TIGHT)}
    decided = await ask_again(deployment, unknown, logs)
    await no_open_holds(dsn, within_s=HEALED_WITHIN_S)
    await all_projected(deployment, dsn)

    acknowledged = rows = events = 0
    for tenant in (*TENANTS, TIGHT):
        logged = await read_log(deployment, tenant)
        check_closed(logged)
        acknowledged += check_acknowledged(answers, tenant, logged)
        rows += await check_tables(dsn, tenant, logged)
        events += len(logged.placed)
    await nemesis.end()
    for process in deployment.processes:
        if process.is_running:
            assert await process.stop() == 0, process.said()[-2_000:]
    await deployment.bus.stop()
    await postgres.stop()
    assert processes_of(directories) == []
    print(
        f"{len(nemesis.kills)} kills in {took_s:.0f} s ({nemesis.report()});"
        f" {acknowledged} answers, each in the log once; {len(unknown)} unknown, of which {decided}"
        f" had been decided; {events} events; {rows} audit rows; longest silence"
        f" {silence_s(answers):.1f} s"
    )
    assert len(nemesis.kills) >= KILLS
    assert acknowledged > 10 * KILLS, "too little load to show anything"


def silence_s(answers: list[dict]) -> float:
    """Return the longest time in which nobody was answered."""
    times = sorted(line["at_s"] for line in answers if "at_s" in line)
    return max(later - earlier for earlier, later in pairwise(times))
