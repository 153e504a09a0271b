"""
Preview: the calls of a log, decided again under another policy by the gate's own rules.

    preview = Preview(state before the first call, policy)
    for event in what was recorded since: preview.feed(event)

A call is asked for again, exactly as it was, of a state in which everything went as it would have
gone: what was not granted is not settled, what was granted is, and the bucket, the quotas and the
month follow. Everything else of the log is applied as it is; a policy set on the way is left out.

    Invariant: under the policy that was in force, every call is answered as it was recorded.

First-order: see `contracts.policy_preview`. Also, a call is refused again when it was refused for
something that no policy decides.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import msgspec
from msgspec.structs import replace

from contracts.access import OPERATOR
from contracts.budget import (
    AuthorizeCall,
    CallAsked,
    CallAuthorized,
    CallOption,
    CallRefused,
    CallSettled,
    ExtendCall,
    HoldExtended,
    HoldReleased,
    HoldsExpired,
    RefusalsCounted,
    SettleCall,
)
from contracts.commit import AnyEvent
from contracts.message import Modality
from contracts.policy import Policy, PolicySet
from contracts.policy_preview import Answered
from contracts.replies import Verdict
from contracts.usage import Usage
from domain import holds, policy, rate, session
from domain.answer import verdict
from domain.authorize import authorize
from domain.fold import evolve
from domain.refusals import (
    HARD_LIMIT_REACHED,
    MODALITY_NOT_ALLOWED,
    QUOTA_EXHAUSTED,
    RATE_LIMITED,
    SESSION_LIMIT,
    SOFT_CAP_REACHED,
    TOO_MANY_HOLDS,
)
from domain.state import Envelope, State

GRANTED: Final = "granted"
# What a policy decides, directly or by what it lets through. Whatever else refuses a call would
# have refused it under any.
_BY_POLICY: Final = frozenset(
    refusal.code
    for refusal in (
        RATE_LIMITED,
        QUOTA_EXHAUSTED,
        SOFT_CAP_REACHED,
        SESSION_LIMIT,
        HARD_LIMIT_REACHED,
        MODALITY_NOT_ALLOWED,
        TOO_MANY_HOLDS,
    )
)


class Preview:
    """
    One replay. *state* becomes that of the proposal; without *proposed* every policy is as it was.

    *cost_nanos* is what was settled, *proposed_cost_nanos* what would have been; for the other
    figures see `contracts.policy_preview.PolicyPreview`.
    """

    def __init__(self, state: State, proposed: Policy | None = None) -> None:
        self.state = state
        self.calls = self.left_out = self.cut_calls = 0
        self.cost_nanos = self.proposed_cost_nanos = 0
        self.assumed_calls = self.assumed_nanos = 0
        self.first_refused_at_us: int | None = None
        self._proposed = proposed
        self._answers: Counter[tuple[Verdict, str, Verdict, str]] = Counter()
        # What the holds of calls that went on may have used by now, where that is known.
        self._granted: dict[int, Usage] = {}
        if proposed is not None and state.policy.terms is not None:
            state.policy.policy, state.policy.terms = proposed, policy.work_out(proposed)
            rate.new_policy(state.rate, state.policy.terms.bucket, state.clock_us)

    @property
    def answers(self) -> list[Answered]:
        """How the calls were answered and would be, the most frequent first."""
        return [Answered(*way, calls) for way, calls in self._answers.most_common()]

    def feed(self, event: AnyEvent) -> None:
        """Take the next event of the log."""
        match event:
            case CallAuthorized() if event.purpose != "reconciliation":
                self._call(event, verdict(event), event.stepped_down_for or GRANTED)
            case CallRefused(verb="authorize"):
                self._refused(event)
            case HoldExtended():
                self._extended(event)
            case CallSettled():
                self.cost_nanos += event.cost_nanos
                self._settled(event)
            case HoldReleased():
                self._released(event)
            case HoldsExpired():
                self._expired(event)
            case PolicySet() if self._proposed is not None:
                evolve(self.state, replace(event, policy=self._proposed))
            case RefusalsCounted():
                self.left_out += sum(event.counts.values())
                evolve(self.state, event)
            case _:
                evolve(self.state, event)

    # -- calls --------------------------------------------------------------------------

    def _refused(self, event: CallRefused) -> None:
        # Where a ladder was tried, the last rung may have been refused for something else.
        is_by_policy = event.code in _BY_POLICY or "tried" in event.facts
        if event.asked is not None and is_by_policy:
            self._call(event, "DENY", event.code)
            return
        if event.asked is None:
            self.left_out += 1
        else:
            self._count("DENY", event.code, "DENY", event.code)
        evolve(self.state, event)

    def _call(self, event: CallAuthorized | CallRefused, recorded: Verdict, code: str) -> None:
        # The number that the call has, so that what became of it finds what is granted now.
        self.state.decisions = event.decision - 1
        [found] = authorize(self.state, _command(event), _envelope(event))
        evolve(self.state, found)
        if isinstance(found, CallAuthorized):
            said, why = verdict(found), found.stepped_down_for or GRANTED
            if _is_older_step_down(event):
                said, why = recorded, code
            self._count(recorded, code, said, why)
            self._granted[found.decision] = found.estimate
            if not isinstance(event, CallAuthorized):
                self._settle_at_most(found)
            return
        assert isinstance(found, CallRefused)
        self._count(recorded, code, "DENY", found.code)
        if isinstance(event, CallAuthorized):
            if self.first_refused_at_us is None:
                self.first_refused_at_us = event.at_us
            # Whoever called was there; its session would not have ended for that.
            session.kept_alive(self.state.sessions, event.session_id, event.at_us)

    def _count(self, recorded: Verdict, code: str, proposed: Verdict, why: str) -> None:
        self.calls += 1
        self._answers[recorded, code, proposed, why] += 1

    # -- what became of them --------------------------------------------------------------

    def _extended(self, event: HoldExtended) -> None:
        hold = self.state.budget.holds.get(event.reservation)
        if hold is None:
            self._pass(event)
            return
        ttl_ms = max(1_000, (event.expires_at_us - event.at_us) // 1_000)
        command = ExtendCall(
            command_id=event.command_id,
            reservation_id=self._name(event.reservation),
            estimate=event.estimate,
            ttl_ms=ttl_ms,
        )
        self.state.decisions = event.decision - 1
        [found] = holds.extend(self.state, command, _envelope(event))
        evolve(self.state, found)
        if isinstance(found, HoldExtended):
            used = self._granted.get(event.reservation, hold.estimate)
            self._granted[event.reservation] = _sum(used, event.estimate)
        else:
            # A stream that may not go on ends here.
            self.cut_calls += 1
            self._settle_at_most(hold)

    def _settled(self, event: CallSettled) -> None:
        money = self.state.budget
        hold = money.holds.get(event.reservation) or money.expired.get(event.reservation)
        if hold is None:
            self._pass(event)
            return
        product = (hold.modality, hold.provider_id, hold.sku)
        if product != (event.modality, event.provider_id, event.sku):
            self._settle_at_most(hold)
            self._pass(event)
            return
        command = SettleCall(
            command_id=event.command_id,
            reservation_id=self._name(event.reservation),
            usage=event.usage,
            outcome=event.outcome,
            vendor_ref=event.vendor_ref,
        )
        self.state.decisions = event.decision - 1
        self._book(command, _envelope(event))
        self._granted.pop(event.reservation, None)

    def _settle_at_most(self, hold: CallAuthorized) -> None:
        """Book a call of which nobody knows what it would have cost."""
        command = SettleCall(
            command_id=hold.command_id,
            reservation_id=self._name(hold.decision),
            usage=self._granted.pop(hold.decision, hold.estimate),
        )
        before_nanos, decisions = self.proposed_cost_nanos, self.state.decisions
        self._book(command, Envelope(hold.fingerprint, self.state.clock_us, OPERATOR))
        self.state.decisions = decisions
        self.assumed_calls += 1
        self.assumed_nanos += self.proposed_cost_nanos - before_nanos

    def _book(self, command: SettleCall, envelope: Envelope) -> None:
        [found] = holds.settle(self.state, command, envelope)
        evolve(self.state, found)
        if isinstance(found, CallSettled):
            self.proposed_cost_nanos += found.cost_nanos

    def _released(self, event: HoldReleased) -> None:
        hold = self.state.budget.holds.get(event.reservation)
        if hold is None:
            self._pass(event)
            return
        self._granted.pop(event.reservation, None)
        evolve(
            self.state,
            replace(
                event,
                modality=hold.modality,
                period=hold.period,
                held_nanos=hold.amount_nanos,
                held_credit_nanos=hold.credit_nanos,
                held_units=hold.units,
            ),
        )

    def _expired(self, event: HoldsExpired) -> None:
        open_holds = self.state.budget.holds
        gone = [
            replace(
                expired,
                modality=hold.modality,
                period=hold.period,
                held_nanos=hold.amount_nanos,
                held_credit_nanos=hold.credit_nanos,
                held_units=hold.units,
            )
            for expired in event.holds
            if (hold := open_holds.get(expired.reservation)) is not None
        ]
        for one in gone:
            self._granted.pop(one.reservation, None)
        evolve(self.state, replace(event, holds=gone))

    def _pass(self, event: HoldExtended | CallSettled | HoldReleased) -> None:
        """Leave out what would not have been: only its number and its time are as they were."""
        self.state.decisions = event.decision
        self.state.clock_us = max(self.state.clock_us, event.at_us)

    def _name(self, reservation: int) -> str:
        return f"{self.state.name}.{reservation}"


def _command(event: CallAuthorized | CallRefused) -> AuthorizeCall:
    """Return what was asked; in older logs only of what was granted, and without its fallbacks."""
    asked = event.asked
    if asked is None:
        assert isinstance(event, CallAuthorized)
        asked = CallAsked(event.provider_id, event.sku, event.estimate, purpose=event.purpose)
    return AuthorizeCall(
        command_id=event.command_id,
        modality=_requested(event),
        provider_id=asked.provider_id,
        sku=asked.sku,
        estimate=asked.estimate,
        fallbacks=[
            CallOption(way.modality, way.provider_id, way.sku, way.estimate)
            for way in asked.fallbacks
        ],
        ttl_ms=_ttl_ms(event),
        session_id=event.session_id or None,
        max_delay_ms=None if asked.max_delay_ms < 0 else asked.max_delay_ms,
        purpose=asked.purpose,
    )


def _requested(event: CallAuthorized | CallRefused) -> Modality:
    if isinstance(event, CallAuthorized):
        return event.modality if event.asked is None else event.requested
    requested: Modality = msgspec.convert(event.requested, Modality)
    return requested


def _ttl_ms(event: CallAuthorized | CallRefused) -> int:
    """How long the hold was to last; of a call that was refused nothing is held for long."""
    if isinstance(event, CallRefused):
        return 1_000
    return (event.expires_at_us - event.at_us - event.delay_us) // 1_000


def _is_older_step_down(event: CallAuthorized | CallRefused) -> bool:
    """Whether a call was stepped down by a gate that did not write down from what."""
    return isinstance(event, CallAuthorized) and bool(event.stepped_down_for) and not event.asked


def _envelope(event: CallAuthorized | CallRefused | HoldExtended | CallSettled) -> Envelope:
    # Whoever asked was let in; what the gate asks of visitors alone has been asked already.
    return Envelope(event.fingerprint, event.at_us, OPERATOR)


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(*(getattr(one, name) + getattr(other, name) for name in Usage.__struct_fields__))
