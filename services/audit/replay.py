"""
Replay: a tenant's state as the gate saw it at some moment.

Folds the log from commit 1 and uses no snapshot. A moment may lie in the middle of a commit: the
events of a commit have times of their own, and those that came later are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from contracts.commit import AnyEvent
from contracts.policy import PolicySet
from contracts.views import VIEWS, View, ViewNoun
from domain import gate
from domain.state import State
from domain.views import view
from services.audit.moments import Until
from services.failure import Failure
from services.tenant_log import replay
from services.tenant_log.replay import Commit, Keys, LogReader


class Replayed(msgspec.Struct, frozen=True):
    """
    A tenant at a moment. *events* were folded, *of_commit* of them in the last commit.

    *now_us* is the time at which the state is shown. *fell_due* are events that time alone had
    brought by then and that were written only later, as when a hold ran out: the gate applies them
    before it answers anything, so they are applied here.
    """

    state: State
    now_us: int
    events: int
    of_commit: int
    fell_due: list[AnyEvent]

    @property
    def views(self) -> dict[ViewNoun, View]:
        """The same views that the live gate answers with."""
        return {noun: view(noun, self.state, self.now_us) for noun in VIEWS}


async def replay_until(
    tenant: str, reader: LogReader, keys: Keys, until: Until, *, now_us: int
) -> Replayed:
    """
    Fold a log up to a moment; *now_us* is the present, for a replay up to the end.

    Raises Failure where there is no such log or position, and BrokenLog.
    """
    fold = _Fold(tenant, until)
    async for commit in replay.commits(tenant, reader, keys):
        if not fold.commit(commit):
            break
    state = fold.state
    if state.position == 0 and fold.is_at_end:
        raise Failure(f"{tenant} has no log.", "name a twin that was provisioned.")
    if until.position is not None:
        if until.position > state.position:
            raise Failure(
                f"the log of {tenant} ends at position {state.position}.",
                f"name a position from 1 to {state.position}.",
            )
        # Nothing but the events of that commit: time has brought what they say it has.
        return Replayed(state, state.clock_us, fold.events, fold.of_commit, [])
    instant_us = until.instant_us(state.policy.policy)
    # A change of the policy's clock can make a time on it come before what is folded.
    shown_us = now_us if instant_us is None else max(instant_us, state.clock_us)
    return Replayed(state, shown_us, fold.events, fold.of_commit, _let_time_pass(state, shown_us))


class _Fold:
    def __init__(self, tenant: str, until: Until) -> None:
        self.state = State(tenant)
        self.events = 0
        self.of_commit = 0
        self.is_at_end = True
        self._until = until
        self._ends_us: int | None = None

    def commit(self, commit: Commit) -> bool:
        """Apply what is wanted of a commit; False when that was not all of it."""
        position = self._until.position
        if position is not None and commit.line.index > position:
            return self._ended()
        if self.state.policy.policy is None:
            # The first policy comes with the first commit, and its clock counts from the start.
            self._read_clock(commit.events)
        for number, event in enumerate(commit.events, 1):
            if self._ends_us is not None and event.at_us > self._ends_us:
                return self._ended()
            self.state.position, self.of_commit = commit.line.index, number
            gate.evolve(self.state, event)
            self.events += 1
            self._read_clock([event])
        return True

    def _read_clock(self, events: Sequence[AnyEvent]) -> None:
        for event in events:
            if type(event) is PolicySet:
                self._ends_us = self._until.instant_us(event.policy)
                return

    def _ended(self) -> bool:
        self.is_at_end = False
        return False


def _let_time_pass(state: State, now_us: int) -> list[AnyEvent]:
    fell_due: list[AnyEvent] = []
    # At most 500 holds expire at once; the others when it is asked again.
    while events := gate.due(state, now_us):
        fell_due += events
        for event in events:
            gate.evolve(state, event)
    return fell_due
