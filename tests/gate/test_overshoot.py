"""The promise in the README's first line: never one nano-dollar over, whatever the concurrency."""

from __future__ import annotations

from tests.rig.checking import check_acknowledged, read_log
from tests.rig.loading import Load
from tests.rig.twins import provision_twin

PRICE_NANOS = 10_000_000
FIT_EXACTLY = 777


async def fill(deployment, tenant):
    """Send 2,000 first-ever requests at once from four processes; return all answers."""
    await deployment.start("worker")
    await provision_twin(
        deployment, tenant, limit_nanos=FIT_EXACTLY * PRICE_NANOS, price_nanos=PRICE_NANOS
    )
    load = await Load.prepare(
        deployment,
        processes=4,
        tenants=[tenant],
        clients=500,
        calls_max=1,
        settle=False,
        attempt_s=20.0,
        seconds=60,
    )
    await load.begin()
    return await load.answers()


async def check_exact_fill(deployment, tenant, answers):
    """Exactly what fits was granted, each grant is in the log, and nothing is left."""
    assert len(answers) == 2_000
    granted = [line for line in answers if line["status"] == 200]
    refused = [line for line in answers if line["status"] == 402]
    assert len(granted) == FIT_EXACTLY
    assert len(refused) == 2_000 - FIT_EXACTLY
    logged = await read_log(deployment, tenant)
    totals = logged.state.budget.periods[logged.state.budget.period]
    assert totals.held_nanos == FIT_EXACTLY * PRICE_NANOS
    assert logged.overshoot_nanos == 0
    assert check_acknowledged(answers, tenant, logged) >= FIT_EXACTLY


async def test_2000_concurrent_first_requests_fill_the_budget_exactly(deployment):
    """
    Gateways that check, then increment, let bursts through; ours grants exactly what fits.
    """
    await check_exact_fill(deployment, "cantor", await fill(deployment, "cantor"))


async def test_the_same_on_three_nodes(cluster_deployment):
    """
    On replicas a fence can be weaker than on one node; ours must not be.
    """
    answers = await fill(cluster_deployment, "cluster-fill")
    await check_exact_fill(cluster_deployment, "cluster-fill", answers)
