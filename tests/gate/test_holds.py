"""Holds through real workers: booked once, given back once, and never outliving their time."""

from __future__ import annotations

from contracts.budget import CallSettled, HoldsExpired
from contracts.subjects import shard_of
from contracts.usage import Usage
from services.client import GateClient
from services.embedded.polling import until
from tests.gate.owner import owner_of
from tests.gate.served import connected
from tests.rig.checking import read_log
from tests.rig.twins import PRICE_NANOS, provision_twin

ONE = Usage(requests=1)


async def hold(gate, *, ttl_ms: int = 60_000):
    granted = await gate.authorize(
        modality="text", provider_id="p", sku="s", estimate=ONE, ttl_ms=ttl_ms
    )
    assert granted.status == 200
    return granted.reservation_id


async def expired(deployment, tenant: str, *, within_s: float) -> None:
    """Wait until the log says that a hold ran out; nobody asks the gate meanwhile."""

    async def written() -> bool:
        logged = await read_log(deployment, tenant)
        return any(isinstance(event, HoldsExpired) for event in logged.events)

    await until(written, every_s=0.05, timeout_s=within_s)
    assert not (await read_log(deployment, tenant)).state.budget.holds


async def test_a_call_is_settled_once(served):
    """
    Two services that both believe they have to book the same call book it once.
    """
    await provision_twin(served, "settled")
    async with connected(served) as bus:
        gate = GateClient(bus, "settled")
        held = await hold(gate)
        first = await gate.settle(held, ONE, command_id="first")
        again = await gate.settle(held, ONE, command_id="first")
        second = await gate.settle(held, Usage(requests=5), command_id="second")
    assert (first.code, first.committed_nanos) == ("settled", PRICE_NANOS)
    assert (again.replayed, again.decision_id) == (True, first.decision_id)
    assert (second.status, second.code, second.cost_nanos) == (409, "hold_closed", 0)
    state = (await read_log(served, "settled")).state
    assert state.budget.periods[state.budget.period].committed_nanos == PRICE_NANOS


async def test_a_hold_is_released_once_and_not_settled_after(served):
    """
    Its money is free after the first time; a second time must not free anybody else's.
    """
    await provision_twin(served, "released")
    async with connected(served) as bus:
        gate = GateClient(bus, "released")
        held, other = await hold(gate), await hold(gate)
        said = [await gate.release(held), await gate.release(held), await gate.settle(held, ONE)]
        assert [reply.code for reply in said] == ["released", "hold_closed", "hold_closed"]
        assert said[0].held_nanos == PRICE_NANOS
        assert (await gate.settle(other, ONE)).held_nanos == 0


async def test_another_twins_hold_is_not_touched(served):
    """
    A reservation id is no secret; it works for its own twin only.
    """
    await provision_twin(served, "mine")
    await provision_twin(served, "yours")
    async with connected(served) as bus:
        mine, yours = GateClient(bus, "mine"), GateClient(bus, "yours")
        held = await hold(mine)
        said = [await yours.settle(held, ONE), await yours.release(held)]
        extended = await yours.extend(held, ONE)
        for reply in (*said, extended):
            assert (reply.status, reply.code) == (403, "hold_of_another_tenant")
        assert (await mine.settle(held, ONE)).code == "settled"


async def test_a_reservation_that_was_never_given_is_unknown(served):
    """
    A typing error must not look like a booked call.
    """
    await provision_twin(served, "typing")
    async with connected(served) as bus:
        reply = await GateClient(bus, "typing").settle("typing.999", ONE)
    assert (reply.status, reply.code) == (404, "hold_unknown")


async def test_a_hold_expires_by_itself_and_a_late_settlement_is_booked(served):
    """
    The money is free again without anybody asking; a call that was made after all was spent.
    """
    await provision_twin(served, "late")
    async with connected(served) as bus:
        gate = GateClient(bus, "late")
        held = await hold(gate, ttl_ms=1_000)
        await expired(served, "late", within_s=5)
        assert (await gate.release(held)).code == "hold_expired"
        booked = await gate.settle(held, ONE)
    assert (booked.code, booked.late) == ("settled", True)
    assert (booked.cost_nanos, booked.overrun_nanos) == (PRICE_NANOS, PRICE_NANOS)
    logged = await read_log(served, "late")
    (settled,) = [event for event in logged.events if isinstance(event, CallSettled)]
    assert settled.late


async def test_a_hold_expires_although_its_worker_was_killed(deployment):
    """
    The next owner loads the twins of the shard before anybody asks about them.
    """
    await deployment.start("worker")
    await deployment.start("worker")
    await provision_twin(deployment, "cantor")
    async with deployment.client("cantor") as gate:
        await hold(gate, ttl_ms=1_500)
    (await owner_of(deployment, shard_of("cantor", 2))).kill()
    await expired(deployment, "cantor", within_s=10)


async def test_a_hold_expires_although_nobody_was_there_at_the_time(deployment):
    """
    A deployment that was down writes down what ran out meanwhile as soon as it is up.
    """
    worker = await deployment.start("worker")
    await provision_twin(deployment, "cantor")
    async with deployment.client("cantor") as gate:
        await hold(gate, ttl_ms=1_000)
    worker.kill()
    await deployment.bus.stop()
    await deployment.bus.start()
    await deployment.start("worker")
    await expired(deployment, "cantor", within_s=10)
