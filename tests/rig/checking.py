"""
Holding the log to what clients were told: nothing acknowledged lost, nothing doubled.

The checks are plain functions of what was read, so that tests can doctor it and see them fail.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from contracts.budget import CallAuthorized, CallSettled
from contracts.commit import AnyEvent
from contracts.subjects import shard_of
from domain import gate
from domain.state import State
from services.tenant_log.replay import commits
from tests.rig.deployment import Deployment


class Placed(NamedTuple):
    """An event and where it stands: the commit, and the number of the event in it, from 0."""

    position: int
    ordinal: int
    event: AnyEvent


class Logged(NamedTuple):
    """What a tenant's log says: the state, and each command's decision and commit."""

    state: State
    decisions: dict[str, tuple[int, int]]
    overshoot_nanos: int
    placed: list[Placed]

    @property
    def events(self) -> list[AnyEvent]:
        return [one.event for one in self.placed]


async def read_log(deployment: Deployment, tenant: str) -> Logged:
    """Fold a tenant's log from its beginning, chain checked, invariants checked at every event."""
    placed = []
    async with deployment.log() as (stores, keys):
        store = stores[shard_of(tenant, len(stores))]
        async for commit in commits(tenant, store, keys):
            for ordinal, event in enumerate(commit.events):
                placed.append(Placed(commit.line.index, ordinal, event))
    return examine(tenant, placed)


def examine(tenant: str, placed: Iterable[Placed]) -> Logged:
    """Fold events; no command may be decided twice, and the limit holds at every one of them."""
    state = State(tenant)
    decisions: dict[str, tuple[int, int]] = {}
    overshoot = 0
    placed = list(placed)
    for position, _, event in placed:
        state.position = position
        number = getattr(event, "decision", None)
        is_part = number is not None and number <= state.decisions
        gate.evolve(state, event)
        if number is not None and not is_part:
            assert event.command_id not in decisions, f"decided twice: {event.command_id}"
            assert number == len(decisions) + 1, f"decision {number} is not the next one"
            decisions[event.command_id] = (number, position)
        if isinstance(event, CallAuthorized):
            overshoot = max(overshoot, _overshoot(state))
    return Logged(state, decisions, overshoot, placed)


def _overshoot(state: State) -> int:
    totals = state.budget.periods[state.budget.period]
    limit = state.policy.policy.budget.monthly_hard_limit_nanos
    return totals.committed_nanos - totals.overrun_nanos + totals.held_nanos - limit


def check_acknowledged(answers: list[dict], tenant: str, logged: Logged) -> int:
    """Every answer that a client got is in the log, once, as it was told. Return how many."""
    costs = {e.command_id: e.cost_nanos for e in logged.events if isinstance(e, CallSettled)}
    checked = 0
    for line in answers:
        if line["tenant"] != tenant or line["kind"] == "unknown" or line["decision_id"] is None:
            continue
        number = int(line["decision_id"].rpartition(".")[2])
        assert logged.decisions.get(line["command_id"]) == (number, line["position"]), line
        if line["kind"] == "settle" and line["status"] == 200:
            assert costs[line["command_id"]] == line["cost_nanos"], line
        checked += 1
    return checked


def check_closed(logged: Logged) -> None:
    """The limit was never passed, and every hold has come to an end."""
    assert logged.overshoot_nanos <= 0
    assert not logged.state.budget.holds
    totals = logged.state.budget.periods[logged.state.budget.period]
    assert totals.held_nanos == 0
