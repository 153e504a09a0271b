"""A grant is worth one call, and only the gate's answer makes one."""

import copy
import pickle
import re
from pathlib import Path

import msgspec
import pytest

from contracts.budget import SettleCall
from contracts.usage import Usage
from services.client.errors import NoGrant
from services.client.grant import Grant, GrantDesk, limits_of
from services.client.meter import Meter, Owed
from services.client.patience import Timing
from tests.client.decisions import NOW_US, SECOND_US, denied, extended, granted
from tests.client.twin import ask, option

ROOT = Path(__file__).parents[2]


class Clock:
    """A clock that the test moves."""

    def __init__(self):
        self.us = NOW_US

    def timing(self):
        return Timing(monotonic_us=lambda: self.us)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def desk(clock):
    return GrantDesk("cantor", clock.timing())


def receive(desk, decision, attempts=1, ttl_ms=2_000):
    desk.received(decision, Usage(requests=3), asked_us=NOW_US, ttl_ms=ttl_ms, attempts=attempts)
    return decision


class TestExchange:
    def test_a_decision_becomes_a_grant_with_its_terms(self, desk):
        """The adapter takes provider, product and bounds from the grant."""
        grant = desk.grant(receive(desk, granted()))

        assert grant.terms.reservation_id == "cantor.7"
        assert (grant.terms.provider_id, grant.terms.sku) == ("acme", "calls")
        assert grant.terms.limits == Usage(requests=3)

    def test_a_decision_is_exchanged_once(self, desk):
        """Two grants for one hold would be two calls with one booking."""
        decision = receive(desk, granted())
        desk.grant(decision)
        with pytest.raises(NoGrant):
            desk.grant(decision)
        receive(desk, decision, attempts=2)
        with pytest.raises(NoGrant):
            desk.grant(decision)

    def test_a_refusal_is_worth_nothing(self, desk):
        """DENY is the whole point."""
        with pytest.raises(NoGrant, match="DENY monthly_hard_limit_reached"):
            desk.grant(receive(desk, denied()))

    def test_a_decision_that_was_not_received_is_worth_nothing(self, desk):
        """Also one that equals a received one: it may have been altered."""
        decision = receive(desk, granted())
        for forged in (granted(decision_id="cantor.8"), msgspec.structs.replace(decision)):
            with pytest.raises(NoGrant):
                desk.grant(forged)

    def test_an_answer_that_somebody_else_got_first_is_worth_nothing(self, desk):
        """A replay at the first attempt belongs to whoever sent the command before."""
        with pytest.raises(NoGrant):
            desk.grant(receive(desk, granted(replayed=True), attempts=1))

    def test_an_answer_that_was_lost_on_its_way_is_ours(self, desk):
        """A replay of our own second attempt is the first one's answer."""
        assert desk.grant(receive(desk, granted(replayed=True), attempts=2))

    def test_unused_decisions_are_forgotten_at_a_bound(self, desk):
        """A client that never makes its calls must not grow."""
        first = receive(desk, granted())
        for number in range(8, 8 + 4_096):
            receive(desk, granted(decision_id=f"cantor.{number}"))
        with pytest.raises(NoGrant):
            desk.grant(first)

    def test_an_extension_continues_the_call_that_it_extends_and_no_other(self, desk):
        """Its decision names no provider; it lends its time to the running call."""
        begun = desk.grant(receive(desk, granted()))
        other = desk.grant(
            receive(desk, granted(decision_id="cantor.9", reservation_id="cantor.9"))
        )
        decision = receive(desk, extended("cantor.7", "cantor.11"))
        for wrong in (None, other, begun):  # `begun` is not open yet
            with pytest.raises(NoGrant):
                desk.grant(decision, after=wrong)
        meter = begun.open("acme")
        more = desk.grant(decision, after=begun)

        assert more.open("acme") is meter
        assert meter.limits == Usage(requests=6)

    def test_a_new_call_cannot_be_passed_off_as_an_extension(self, desk):
        """Its money was held under another reservation."""
        begun = desk.grant(receive(desk, granted()))
        begun.open("acme")
        with pytest.raises(NoGrant):
            desk.grant(receive(desk, granted(decision_id="cantor.9")), after=begun)


class TestUse:
    def test_it_opens_once(self, desk):
        """One authorisation, one call."""
        grant = desk.grant(receive(desk, granted()))
        grant.open("acme")
        with pytest.raises(NoGrant, match="used"):
            grant.open("acme")

    def test_it_opens_for_its_provider_only(self, desk):
        """The price of another provider was never held; the try does not spoil the grant."""
        grant = desk.grant(receive(desk, granted()))
        with pytest.raises(NoGrant, match="granted for acme"):
            grant.open("other")

        assert grant.open("acme")

    def test_it_does_not_open_before_its_slot(self, desk, clock):
        """A throttle is kept by the grant and not by courtesy."""
        grant = desk.grant(receive(desk, granted(delay_us=250)))
        clock.us += 249
        with pytest.raises(NoGrant, match="too early by 1 us"):
            grant.open("acme")
        clock.us += 1

        assert grant.open("acme")

    def test_it_does_not_open_when_the_hold_may_have_run_out(self, desk, clock):
        """Its money may be somebody else's by then. Delay does not eat into the time to live."""
        grant = desk.grant(receive(desk, granted(delay_us=SECOND_US), ttl_ms=2_000))
        clock.us += 3 * SECOND_US
        with pytest.raises(NoGrant, match="expired"):
            grant.open("acme")

    def test_ending_needs_a_call_that_was_begun(self, desk, clock):
        """A kill switch must work late, but only for what the grant began."""
        grant = desk.grant(receive(desk, granted()))
        with pytest.raises(NoGrant):
            grant.opened("acme")
        meter = grant.open("acme")
        clock.us += 100 * SECOND_US

        assert grant.opened("acme") is meter
        with pytest.raises(NoGrant):
            grant.opened("other")


class TestForgery:
    def test_it_cannot_be_built(self):
        """Not by calling it, and not by going around its constructor."""
        with pytest.raises(NoGrant):
            Grant()
        with pytest.raises(NoGrant):
            Grant(object())
        for use in (Grant.open, Grant.opened):
            with pytest.raises(NoGrant, match="not issued"):
                use(object.__new__(Grant), "acme")

    def test_it_cannot_be_copied_pickled_subclassed_or_altered(self, desk):
        """A copy would be a second call."""
        grant = desk.grant(receive(desk, granted()))
        for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError):
                attempt(grant)
        with pytest.raises(TypeError):
            type("Mine", (Grant,), {})
        with pytest.raises(AttributeError):
            grant.is_open = False

    def test_only_the_client_has_a_desk(self):
        """The desk is where decisions become grants: one place in the whole tree."""
        users = [
            str(path.relative_to(ROOT))
            for folder in ("contracts", "domain", "projections", "services")
            for path in sorted((ROOT / folder).rglob("*.py"))
            if re.search(r"\bGrantDesk\b|\b_ISSUER\b|\b_ENTRIES\b", path.read_text())
        ]

        assert users == ["services/client/gate_client.py", "services/client/grant.py"]


class TestLimits:
    def test_they_are_those_of_the_way_that_was_granted(self):
        """After a step down the bound is the fallback's, which is another quantity."""
        command = ask(fallbacks=[option("voice", "acme", "talk", stream_ms=500)])
        stepped_down = granted(modality="voice", sku="talk")

        assert limits_of(command, granted()) == Usage(requests=1)
        assert limits_of(command, stepped_down) == Usage(stream_ms=500)
        assert limits_of(command, granted(sku="unknown")) == Usage()


class TestMeter:
    @pytest.mark.parametrize(
        ("notes", "owed"),
        [
            ([], Owed(Usage(output_tokens=100), "cut_off", "")),
            (
                [("counted", Usage(output_tokens=40))],
                Owed(Usage(output_tokens=40), "cut_off", ""),
            ),
            (
                [
                    ("counted", Usage(output_tokens=40)),
                    ("reported", Usage(input_tokens=9, output_tokens=30), "ref"),
                ],
                Owed(Usage(input_tokens=9, output_tokens=40), "cut_off", "ref"),
            ),
            (
                [
                    ("counted", Usage(output_tokens=40)),
                    ("completed", Usage(output_tokens=5, turns=1)),
                ],
                Owed(Usage(output_tokens=5, turns=1), "completed", ""),
            ),
            ([("failed", Usage())], Owed(Usage(), "failed", "")),
        ],
    )
    def test_owes_the_most_that_anybody_knows_of_unless_the_vendor_answered(self, notes, owed):
        """A turn cut mid-stream reports nothing and is billed all the same."""
        meter = Meter(Usage(output_tokens=100, turns=1))
        for name, *values in notes:
            getattr(meter, name)(*values)

        assert meter.owed() == owed

    def test_what_a_vendor_calls_its_call_never_keeps_it_from_being_booked(self):
        """The name is the vendor's, the money is ours: a name that is none is cut to fit."""
        meter = Meter(Usage(requests=1))
        meter.completed(Usage(requests=1), "chat\x1b[2J\ud800\u202e" + "x" * 500)

        booked = SettleCall(
            command_id="s-1",
            reservation_id="cantor.1",
            usage=meter.owed().usage,
            vendor_ref=meter.owed().vendor_ref,
        )
        assert booked.vendor_ref == "chat?[2J??" + "x" * 118
