"""
Refold: the fold of a log with every claim that its events make checked on the way.

    decision numbers follow each other, and time never runs backwards
    each event's *standing* is the money of the state just after it
    each commit's digest is that of the commands that its decisions answer
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from contracts.budget import BudgetEvent, MeterLimitsSet, PeriodOpened, RefusalsCounted
from contracts.commit import AnyEvent, CommitLine
from contracts.data_key import DataKeyEvent
from contracts.policy import PolicySet
from contracts.price_book import PriceBookSet
from contracts.secret import SecretEvent
from contracts.tenant import TenantEvent
from domain import budget, gate
from domain.state import State, standing_now
from services.audit.findings import Findings, differences
from services.tenant_log.codec import digest_of

# What evolving an event that never happened runs into: a hold, a month that is not there.
DOES_NOT_FIT = (LookupError, AttributeError, TypeError, ValueError, AssertionError)


def _kinds(*unions: Any) -> list[type[AnyEvent]]:
    return [kind for union in unions for kind in getattr(union, "__args__", (union,))]


_ALL = _kinds(BudgetEvent, TenantEvent, PolicySet, PriceBookSet, SecretEvent, DataKeyEvent)
_NUMBERED = frozenset(kind for kind in _ALL if "decision" in kind.__struct_fields__)
_STANDING = frozenset(kind for kind in _ALL if "standing" in kind.__struct_fields__)
# Provisioning brings the first policy and prices under its own decision.
_PARTS = frozenset((PolicySet, PriceBookSet))


class Refold:
    """A tenant's state, built again from its events."""

    def __init__(self, tenant: str, findings: Findings) -> None:
        self.state = State(tenant)
        self.findings = findings
        self.events = 0
        self.refusals_counted = 0
        self.limits: dict[str, MeterLimitsSet] = {}
        # Months that left the state; one that comes back for a late booking begins empty there.
        self._left: dict[str, list[budget.Totals]] = {}

    def commit(
        self,
        line: CommitLine,
        events: list[AnyEvent],
        after_event: Callable[[], None] | None = None,
    ) -> bool:
        """Apply one commit; False when one of its events cannot be applied, nor what follows."""
        state = self.state
        state.position = line.index
        command_ids: list[str] = []
        for number, event in enumerate(events, 1):
            kind = type(event)
            if event.at_us < state.clock_us:
                self._differs("at_us", number, f"at least {state.clock_us}", event.at_us)
            try:
                if kind not in _NUMBERED:
                    self._unnumbered(event)
                else:
                    if event.decision == state.decisions + 1:  # type: ignore[union-attr]
                        command_ids.append(event.command_id)  # type: ignore[union-attr]
                    else:
                        self._out_of_order(event, number, command_ids)
                    gate.evolve(state, event)
                if kind in _STANDING:
                    self._check_standing(event, number)
            except DOES_NOT_FIT as problem:
                what = f"{kind.__name__} ({type(problem).__name__}: {problem})"
                self._differs("event", number, "one that fits the state", what)
                return False
            self.events += 1
            if after_event is not None:
                after_event()
        self._check_digest(line, command_ids)
        return True

    def months(self) -> dict[str, list[budget.Totals]]:
        """Return every month there ever was, each in the pieces in which the state has had it."""
        found = {period: list(pieces) for period, pieces in self._left.items()}
        for period, totals in self.state.budget.periods.items():
            found.setdefault(period, []).append(totals)
        return found

    def _out_of_order(self, event: Any, number: int, command_ids: list[str]) -> None:
        decisions = self.state.decisions
        if type(event) not in _PARTS or event.decision != decisions or number == 1:
            self._differs("decision", number, decisions + 1, event.decision)
            command_ids.append(event.command_id)

    def _unnumbered(self, event: AnyEvent) -> None:
        """Apply an event that is no decision; keep of it what the gate itself need not know."""
        before = dict(self.state.budget.periods)
        gate.evolve(self.state, event)
        match event:
            case MeterLimitsSet():
                self.limits[event.period] = event
            case RefusalsCounted():
                self.refusals_counted += sum(event.counts.values())
            case PeriodOpened():
                for period in before.keys() - self.state.budget.periods.keys():
                    self._left.setdefault(period, []).append(before[period])
            case _:
                pass

    def _check_standing(self, event: Any, number: int) -> None:
        told, money = event.standing, self.state.budget
        totals, terms = money.periods.get(money.period), self.state.policy.terms
        # Field by field: making a Standing for each event costs four times this.
        if (
            totals is not None
            and terms is not None
            and told.committed_nanos == totals.committed_nanos
            and told.held_nanos == totals.held_nanos
            and told.limit_nanos == terms.limit_nanos
            and told.credits_nanos
            == money.credits_added_nanos - money.credits_spent_nanos - money.credits_held_nanos
            and told.resets_at_us == totals.ends_us
        ):
            return
        for field, expected, found in differences(standing_now(self.state), told):
            self._differs(f"standing.{field}", number, expected, found)

    def _check_digest(self, line: CommitLine, command_ids: list[str]) -> None:
        digest = digest_of(command_ids)
        if digest != line.commands_digest:
            self.findings.add(
                "fold",
                "digest of the commands",
                position=line.index,
                expected=digest,
                found=line.commands_digest,
            )

    def _differs(self, field: str, event: int, expected: object, found: object) -> None:
        self.findings.add(
            "fold",
            field,
            position=self.state.position,
            event=event,
            expected=expected,
            found=found,
        )
