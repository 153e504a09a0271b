"""
Budget: any sequence of commands, against a small model that does not share a line with it.

The world is small so that its edges are met: a limit of 12 nanos, calls of up to 6, holds of 1 to
3 seconds, a few seconds to the end of the month, a clock that also steps back.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from contracts.budget import CallAuthorized, HoldsExpired, PeriodOpened
from contracts.policy import Quotas, UnitWeights
from domain import budget, gate
from domain.state import State
from tests.domain.world import SECOND, Twin, policy, snapshot

# 2026-11-30T23:59:50Z
EVE = 1_796_083_190_000_000


class ModelHold:
    """What one call has set aside."""

    def __init__(self, month: str, amount: int, credit: int, expires_us: int) -> None:
        self.month, self.amount, self.credit, self.expires_us = month, amount, credit, expires_us
        self.tokens = amount


class Model:
    """Holds in a dict, money in plain integers, nothing else."""

    def __init__(self, limit: int, quota: int | None) -> None:
        self.limit, self.quota = limit, quota
        self.holds: dict[int, ModelHold] = {}
        self.expired: dict[int, ModelHold] = {}
        self.spent: dict[str, int] = {}
        self.tokens: dict[str, int] = {}
        self.overrun: dict[str, int] = {}
        self.late: dict[str, int] = {}
        self.added = self.credit_spent = 0
        self.granted = self.closed = self.released = self.ran_out = 0

    def held(self, month: str) -> int:
        return sum(h.amount - h.credit for h in self.holds.values() if h.month == month)

    def held_tokens(self, month: str) -> int:
        return sum(h.tokens for h in self.holds.values() if h.month == month)

    def credits_held(self) -> int:
        return sum(h.credit for h in self.holds.values())

    def credits_free(self) -> int:
        return self.added - self.credit_spent - self.credits_held()

    def expire(self, now_us: int) -> list[int]:
        """Holds that have run out, in the order in which they did."""
        gone = sorted(
            (h.expires_us, number) for number, h in self.holds.items() if h.expires_us <= now_us
        )
        for _, number in gone:
            self.expired[number] = self.holds.pop(number)
            self.ran_out += self.expired[number].amount
        return [number for _, number in gone]

    def funds(self, month: str, amount: int) -> int | None:
        """The part of an amount that credits pay, None when they cannot."""
        room = self.limit - self.spent.get(month, 0) - self.held(month)
        credit = amount - min(amount, max(0, room))
        return credit if credit <= self.credits_free() else None

    def why_not(self, month: str, amount: int) -> str | None:
        tokens = self.tokens.get(month, 0) + self.held_tokens(month)
        if self.quota is not None and amount and tokens + amount > self.quota:
            return "quota_exhausted"
        return None if self.funds(month, amount) is not None else "monthly_hard_limit_reached"

    def hold(self, number: int, month: str, amount: int, expires_us: int) -> int:
        credit = self.funds(month, amount)
        assert credit is not None
        self.holds[number] = ModelHold(month, amount, credit, expires_us)
        self.granted += amount
        return credit

    def settle(self, number: int, cost: int) -> tuple[int, int, bool]:
        """What of the cost credits pay, what no hold backed, and whether it came late."""
        late = number in self.expired
        hold = (self.expired if late else self.holds).pop(number)
        month = hold.month
        backed = 0 if late else hold.amount
        credit = 0 if late else min(hold.credit, max(0, cost - (hold.amount - hold.credit)))
        self.spent[month] = self.spent.get(month, 0) + cost - credit
        self.tokens[month] = self.tokens.get(month, 0) + cost
        self.credit_spent += credit
        overrun = max(0, cost - backed)
        self.overrun[month] = self.overrun.get(month, 0) + overrun
        self.late[month] = self.late.get(month, 0) + late
        self.closed += backed
        return credit, overrun, late


def month_of(at_us: int) -> str:
    return datetime.fromtimestamp(at_us // SECOND, tz=UTC).strftime("%Y-%m")


def rules(limit: int, quota: int | None):
    # With this weight a token is a whole token unit, so that a quota of 8 means 8 tokens.
    return policy(
        limit,
        quotas=Quotas(text_token_units=quota),
        unit_weights=UnitWeights(token_unit_milli=1_000_000),
    )


amounts = st.integers(0, 6)
ttls = st.sampled_from([1_000, 2_000, 3_000])
limits = st.integers(0, 14)
quotas = st.none() | st.integers(5, 20)


class BudgetMachine(RuleBasedStateMachine):
    """The gate and the model are asked the same things."""

    grants = Bundle("grants")
    commands = Bundle("commands")

    @initialize(limit=limits, quota=quotas)
    def provision(self, limit, quota):
        self.twin = Twin(rules(limit, quota), now_us=EVE)
        self.model = Model(limit, quota)

    # -- what may happen ------------------------------------------------------------

    @rule(target=grants, amount=amounts, ttl_ms=ttls)
    def authorize(self, amount, ttl_ms):
        self.before()
        twin, model, month = self.twin, self.model, month_of(self.now_us)
        expected = model.why_not(month, amount)

        event = twin.authorize(amount, ttl_ms=ttl_ms)

        if expected is not None:
            assert event.code == expected
            return multiple()
        assert isinstance(event, CallAuthorized)
        assert event.period == month
        expires_us = self.now_us + ttl_ms * 1_000
        assert event.credit_nanos == model.hold(event.decision, month, amount, expires_us)
        return event

    @rule(target=commands, amount=amounts)
    def authorize_and_remember(self, amount):
        self.before()
        command = self.twin.call(amount, ttl_ms=1_000)
        expected = self.model.why_not(month_of(self.now_us), amount)
        event = self.twin.decide(command)
        assert (expected is None) == isinstance(event, CallAuthorized)
        if expected is None:
            expires_us = self.now_us + 1_000_000
            self.model.hold(event.decision, month_of(self.now_us), amount, expires_us)
        return command, event

    @rule(pair=commands)
    def repeat(self, pair):
        command, event = pair
        assert self.twin.again(command).event == event

    @rule(grant=grants, cost=st.integers(0, 9))
    def settle(self, grant, cost):
        self.before()
        number = grant.decision
        if number not in self.model.holds and number not in self.model.expired:
            assert self.twin.settle(grant, cost).code == "hold_closed"
            return
        expected = self.model.settle(number, cost)
        event = self.twin.settle(grant, cost)
        assert (event.credit_nanos, event.overrun_nanos, event.late) == expected

    @rule(grant=grants, amount=amounts, ttl_ms=ttls)
    def extend(self, grant, amount, ttl_ms):
        self.before()
        hold = self.model.holds.get(grant.decision)
        if hold is None:
            late = grant.decision in self.model.expired
            expected = "hold_expired" if late else "hold_closed"
            assert self.twin.extend(grant, amount).code == expected
            return
        why_not = self.model.why_not(hold.month, amount)
        event = self.twin.extend(grant, amount, ttl_ms=ttl_ms)
        if why_not is not None:
            assert event.code == why_not
            return
        credit = self.model.funds(hold.month, amount)
        assert event.credit_nanos == credit
        hold.amount += amount
        hold.tokens += amount
        hold.credit += credit
        hold.expires_us = max(hold.expires_us, self.now_us + ttl_ms * 1_000)
        self.model.granted += amount

    @rule(grant=consumes(grants))
    def release(self, grant):
        self.before()
        hold = self.model.holds.pop(grant.decision, None)
        event = self.twin.release(grant)
        if hold is None:
            late = grant.decision in self.model.expired
            assert event.code == ("hold_expired" if late else "hold_closed")
        else:
            assert (event.held_nanos, event.held_credit_nanos) == (hold.amount, hold.credit)
            self.model.released += hold.amount

    @rule(amount=st.integers(1, 8))
    def top_up(self, amount):
        self.before()
        self.twin.top_up(amount)
        self.model.added += amount

    @rule(limit=limits, quota=quotas)
    def set_policy(self, limit, quota):
        self.before()
        self.twin.set_policy(rules(limit, quota))
        self.model.limit, self.model.quota = limit, quota

    @rule(us=st.sampled_from([1, 500_000, 999_999, SECOND, 2 * SECOND]))
    def pass_time(self, us):
        self.twin.now_us += us

    @rule(us=st.sampled_from([1, SECOND, 20 * SECOND]))
    def step_back(self, us):
        self.twin.now_us -= us

    @precondition(lambda self: self.now_us < EVE + 10 * SECOND)
    @rule(early_us=st.sampled_from([0, 1]))
    def go_to_the_end_of_the_month(self, early_us):
        self.twin.now_us = EVE + 10 * SECOND - early_us

    @rule()
    def restart_from_a_snapshot(self):
        self.twin.state = msgspec.msgpack.decode(snapshot(self.twin.state), type=State)

    # -- what must hold -------------------------------------------------------------

    @property
    def now_us(self) -> int:
        return max(self.twin.now_us, self.twin.state.clock_us)

    def before(self) -> None:
        """Time passes for both; what that brings is the same for both."""
        expected = self.model.expire(self.now_us)
        events = self.twin.write_due()
        gone = [h.reservation for e in events if isinstance(e, HoldsExpired) for h in e.holds]
        assert gone == expected
        opened = [e.period for e in events if isinstance(e, PeriodOpened)]
        assert opened in ([], [month_of(self.now_us)])

    @invariant()
    def gate_and_model_have_the_same_money(self):
        model, money = self.model, self.twin.state.budget
        for month, totals in money.periods.items():
            assert totals.committed_nanos == model.spent.get(month, 0)
            assert totals.held_nanos == model.held(month)
            assert totals.overrun_nanos == model.overrun.get(month, 0)
            assert totals.late_settlements == model.late.get(month, 0)
            text = totals.units["text"]
            assert text.held_tokens_milli == model.held_tokens(month) * 1_000_000
            assert text.committed_tokens_milli == model.tokens.get(month, 0) * 1_000_000
        assert budget.credits_free_nanos(money) == model.credits_free()
        assert money.credits_held_nanos == model.credits_held()
        assert {n: h.expires_at_us for n, h in money.holds.items()} == {
            n: h.expires_us for n, h in model.holds.items()
        }

    @invariant()
    def no_more_is_spent_and_held_than_there_is(self):
        """Above the limit is only what overran it, or what a lower limit found already there."""
        money = self.twin.state.budget
        assert money.credits_spent_nanos + money.credits_held_nanos <= money.credits_added_nanos

    @invariant()
    def every_nano_that_was_granted_is_somewhere(self):
        model = self.model
        open_now = sum(hold.amount for hold in model.holds.values())
        assert model.granted == model.closed + model.released + model.ran_out + open_now

    @invariant()
    def the_next_deadline_is_that_of_the_first_hold_to_run_out(self):
        holds = self.model.holds.values()
        expected = min((hold.expires_us for hold in holds), default=None)
        assert budget.next_deadline_us(self.twin.state.budget) == expected

    def teardown(self):
        if not hasattr(self, "twin"):
            return
        fresh = State(self.twin.state.name)
        for event in self.twin.log:
            fresh.position += 1
            gate.evolve(fresh, event)
        assert snapshot(fresh) == snapshot(self.twin.state), "the fold of the log is the state"
        months = [e.period for e in self.twin.log if isinstance(e, PeriodOpened)]
        assert months == sorted(set(months)), "every month begins once"


TestBudgetMachine = BudgetMachine.TestCase
TestBudgetMachine.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
