"""
No grant after the end, whatever is done in whatever order.

The model keeps three lists by itself: which sessions are open, until when at the latest, and which
have ended. It knows nothing of how leases are kept.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts.budget import CallAuthorized, CallSettled, HoldExtended, HoldReleased
from contracts.session import (
    DisclosureShown,
    SessionBegun,
    SessionEnded,
    SessionKilled,
    SessionRenewed,
    SessionsEnded,
)
from contracts.tenant import ResumeTenant, SuspendTenant
from domain import deadlines, gate
from tests.domain.governed import Governed
from tests.domain.world import SECOND, policy

NAMES = tuple(f"s-{number}" for number in range(6))
LEASE_MS = 10_000
LEASE = LEASE_MS * 1_000


class Conversations(RuleBasedStateMachine):
    """Sessions with and without a place, calls of them, and every way to end them."""

    def __init__(self) -> None:
        super().__init__()
        self.twin = Governed(policy(1_000_000))
        self.twin.opened()
        self.open: dict[str, int] = {}
        self.undisclosed: set[str] = set()
        self.at_web: set[str] = set()
        self.ended: set[str] = set()
        self.held: dict[str, int] = {}
        self.grants: list[CallAuthorized] = []
        self.read = len(self.twin.log)

    @rule(name=st.sampled_from(NAMES), place=st.sampled_from([None, "web"]))
    def begin(self, name: str, place: str | None) -> None:
        event = self.twin.converse(name, deployment=place, lease_ms=LEASE_MS)
        self._catch_up()
        is_new = isinstance(event, SessionBegun)
        if is_new and place:
            self.at_web.add(name)
            self.undisclosed.add(name)

    @rule(name=st.sampled_from(NAMES), disclose=st.booleans())
    def keep(self, name: str, disclose: bool) -> None:
        event = self.twin.show(name) if disclose else self.twin.beat(name)
        self._catch_up()
        if event is None or isinstance(event, SessionRenewed):
            assert name in self.open
        if isinstance(event, DisclosureShown):
            self.undisclosed.discard(name)

    @rule(name=st.sampled_from(NAMES), ttl_s=st.sampled_from([1, 60]))
    def call(self, name: str, ttl_s: int) -> None:
        event = self.twin.authorize(10, session_id=name, ttl_ms=ttl_s * 1_000)
        self._catch_up()
        if isinstance(event, CallAuthorized):
            assert name not in self.ended, "a grant after the end"
            assert name not in self.undisclosed, "a grant before the disclosure"
            self.grants.append(event)
            self._seen(name)

    @rule(number=st.integers(0, 20), act=st.sampled_from(["extend", "settle", "release"]))
    def go_on(self, number: int, act: str) -> None:
        if not self.grants:
            return
        grant = self.grants[number % len(self.grants)]
        is_open = grant.decision in self.twin.state.budget.holds
        event = getattr(self.twin, act)(grant)
        self._catch_up()
        if isinstance(event, HoldExtended):
            assert grant.session_id not in self.ended, "an extension after the end"
            self._seen(grant.session_id)
        elif act != "extend" and is_open:
            assert isinstance(event, CallSettled | HoldReleased), "what is open can be ended"

    @rule(
        how=st.sampled_from(["close", "kill", "kill_all", "disable", "sleep"]),
        name=st.sampled_from(NAMES),
    )
    def end(self, how: str, name: str) -> None:
        twin = self.twin
        match how:
            case "close" | "kill":
                event = getattr(twin, how)(name)
                assert not isinstance(event, SessionEnded | SessionKilled) or name in self.open
            case "kill_all":
                twin.kill_all()
            case "disable":
                twin.disable()
                twin.enable()
            case _:
                twin.decide(SuspendTenant(command_id=twin.new_id(), mode="asleep"))
                twin.decide(ResumeTenant(command_id=twin.new_id()))
        self._catch_up()
        if how == "disable":
            assert not self.at_web & self.open.keys()
        if how in ("kill_all", "sleep"):
            assert not self.open

    @rule(seconds=st.sampled_from([0.5, 2, 3, 9, 11]))
    def wait(self, seconds: float) -> None:
        self.twin.pass_time(int(seconds * SECOND))
        self._catch_up()

    def _catch_up(self) -> None:
        """Read the new events, as somebody who only has the log."""
        for event in self.twin.log[self.read :]:
            match event:
                case SessionBegun():
                    assert event.session_id not in self.open
                    assert event.session_id not in self.ended
                    self._seen(event.session_id)
                case SessionRenewed():
                    self._seen(event.session_id)
                case SessionEnded() | SessionKilled():
                    self._over(event.session_id)
                case SessionsEnded():
                    for gone in event.sessions:
                        self._over(gone.session_id)
                case _:
                    pass
        self.read = len(self.twin.log)

    def _seen(self, name: str) -> None:
        if name not in self.ended and name in {*self.open, *self.twin.state.sessions.numbers}:
            self.open[name] = self.twin.now_us + LEASE

    def _over(self, name: str) -> None:
        del self.open[name]
        self.ended.add(name)

    @invariant()
    def exactly_those_are_open(self) -> None:
        assert set(self.twin.state.sessions.numbers) == self.open.keys()

    @invariant()
    def none_outlives_its_lease(self) -> None:
        """Nobody has more than a lease from when it was last heard of, nor is overdue."""
        for name, latest_us in self.open.items():
            lease = self.twin.state.sessions.leases[self.twin.state.sessions.numbers[name]]
            assert self.twin.now_us < lease.expires_at_us <= latest_us

    @invariant()
    def the_next_deadline_is_the_earliest(self) -> None:
        state = self.twin.state.sessions
        earliest = min(
            (one.expires_at_us for one in state.leases.values()), default=deadlines.NEVER
        )
        assert state.deadlines.next_us == earliest
        assert gate.due(self.twin.state, self.twin.now_us) == []

    @invariant()
    def money_of_a_session_is_that_of_its_holds(self) -> None:
        state = self.twin.state
        for number, lease in state.sessions.leases.items():
            holds = [
                hold
                for hold in state.budget.holds.values()
                if hold.session_id == lease.began.session_id and hold.decision > number
            ]
            assert lease.held_nanos == sum(hold.amount_nanos for hold in holds)
            assert lease.open_holds == len(holds)


TestSessionModel = Conversations.TestCase
TestSessionModel.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
