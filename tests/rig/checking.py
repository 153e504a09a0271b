"""Holding the log to what clients were told: nothing acknowledged lost, nothing doubled."""

from __future__ import annotations

from typing import NamedTuple

from contracts.budget import CallAuthorized
from contracts.subjects import shard_of
from domain import gate
from domain.state import State
from services.tenant_log.replay import commits
from tests.rig.deployment import Deployment


class Logged(NamedTuple):
    """What a tenant's log says: the state, and each command's decision and commit."""

    state: State
    decisions: dict[str, tuple[int, int]]
    overshoot_nanos: int
    events: list


async def read_log(deployment: Deployment, tenant: str) -> Logged:
    """Fold a tenant's log from its beginning, chain checked, invariants checked at every event."""
    async with deployment.log() as (stores, keys):
        store = stores[shard_of(tenant, len(stores))]
        state = State(tenant)
        decisions: dict[str, tuple[int, int]] = {}
        overshoot = 0
        events = []
        async for commit in commits(tenant, store, keys):
            state.position = commit.line.index
            for event in commit.events:
                number = getattr(event, "decision", None)
                is_part = number is not None and number <= state.decisions
                gate.evolve(state, event)
                events.append(event)
                if number is not None and not is_part:
                    assert event.command_id not in decisions, "a command was decided twice"
                    decisions[event.command_id] = (number, commit.line.index)
                if isinstance(event, CallAuthorized):
                    overshoot = max(overshoot, _overshoot(state))
    return Logged(state, decisions, overshoot, events)


def _overshoot(state: State) -> int:
    totals = state.budget.periods[state.budget.period]
    limit = state.policy.policy.budget.monthly_hard_limit_nanos
    return totals.committed_nanos - totals.overrun_nanos + totals.held_nanos - limit


def check_acknowledged(answers: list[dict], tenant: str, logged: Logged) -> int:
    """Every answer that a client got is in the log, once, as it was told. Return how many."""
    checked = 0
    for line in answers:
        if line["tenant"] != tenant or line["kind"] == "unknown" or line["decision_id"] is None:
            continue
        number = int(line["decision_id"].rpartition(".")[2])
        assert logged.decisions.get(line["command_id"]) == (number, line["position"]), line
        checked += 1
    return checked
