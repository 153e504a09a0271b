"""Holds: settle and release, each once, and only what was granted here."""

import pytest

from contracts.budget import CallSettled, HoldReleased
from contracts.policy import Quotas
from contracts.tenant import SuspendTenant
from contracts.usage import Usage
from domain.units import MODALITIES
from domain.views import view
from tests.domain.world import (
    PRICES,
    SECOND,
    Twin,
    book,
    entry,
    option,
    policy,
    snapshot,
)


class TestSettle:
    def test_books_the_truth_and_frees_the_rest(self):
        """The hold was an upper bound; what was not spent is there for the next call."""
        twin = Twin(policy(limit=100))
        grant = twin.authorize(60)

        settled = twin.settle(grant, 45, vendor_ref="chat-1", outcome="cut_off")

        assert isinstance(settled, CallSettled)
        assert (
            settled.cost_nanos,
            settled.credit_nanos,
            settled.overrun_nanos,
            settled.late,
            settled.held_nanos,
        ) == (45, 0, 0, False, 60)
        assert (
            settled.standing.committed_nanos,
            settled.standing.held_nanos,
            settled.standing.remaining_nanos,
        ) == (45, 0, 55)
        assert ("chat-1", "cut_off", grant.decision) == (
            settled.vendor_ref,
            settled.outcome,
            settled.reservation,
        )

    def test_above_the_hold_is_booked_flagged_and_counted(self):
        """The money was really spent, so hiding it would make every later number wrong."""
        twin = Twin(policy(limit=100))
        grant = twin.authorize(60)

        settled = twin.settle(grant, 130)

        assert (settled.cost_nanos, settled.overrun_nanos) == (130, 70)
        assert (
            twin.totals.overruns,
            twin.totals.overrun_nanos,
            twin.totals.committed_nanos,
        ) == (1, 70, 130)
        assert settled.standing.remaining_nanos == 0
        assert twin.authorize(1).code == "monthly_hard_limit_reached"

    def test_pays_from_credits_what_was_held_on_them_and_no_more(self):
        """The limit pays first, so that credits are what comes back."""
        twin = Twin(policy(limit=60))
        twin.top_up(100)
        grant = twin.authorize(100)

        assert grant.credit_nanos == 40
        settled = twin.settle(grant, 75)

        assert (settled.cost_nanos, settled.credit_nanos, settled.overrun_nanos) == (75, 15, 0)
        assert (settled.standing.committed_nanos, settled.standing.credits_nanos) == (60, 85)

    def test_an_overrun_is_never_paid_from_credits_that_were_not_held(self):
        """Credits spent and held never pass what was added, whatever a vendor bills."""
        twin = Twin(policy(limit=60))
        twin.top_up(50)
        grant = twin.authorize(100)

        settled = twin.settle(grant, 150)

        assert (settled.cost_nanos, settled.credit_nanos, settled.overrun_nanos) == (150, 40, 50)
        assert (settled.standing.committed_nanos, settled.standing.credits_nanos) == (110, 10)

    def test_at_the_prices_of_its_grant(self):
        """A new price book must not reprice what was agreed; an older one is kept for holds."""
        twin = Twin(policy(limit=1_000))
        old = twin.authorize(10)
        twin.set_prices(book(entry("text", input_tokens=3)))
        new = twin.authorize(estimate=Usage(10))
        twin.set_prices(book(entry("voice", stream_ms=1)))

        assert (twin.settle(old, 10).cost_nanos, twin.settle(new, 10).cost_nanos) == (10, 30)
        assert (old.price_version, new.price_version) == (1, 2)

    def test_of_a_quantity_without_a_price_is_refused_and_the_hold_stays(self):
        """Booking less than was used would be a lie; the caller can settle again, right."""
        twin = Twin()
        grant = twin.authorize(10)

        refusal = twin.settle(grant, usage=Usage(characters=5))

        assert (
            refusal.code,
            {k: v for k, v in refusal.facts.items() if k == "field"},
        ) == ("not_priced", {"field": "usage"})
        assert twin.settle(grant, 10).cost_nanos == 10

    def test_that_leaves_the_exact_range_is_refused(self):
        """Nine million in a month is a wrong number, and would make the right ones inexact."""
        most = 9_000_000_000_000_000
        twin = Twin(policy(limit=100), book(entry("text", input_tokens=most // 10)))
        grant = twin.authorize(0)
        other = twin.authorize(0)

        assert twin.settle(grant, 11).code == "booking_too_large"
        assert most == twin.settle(grant, 10).cost_nanos
        assert twin.settle(other, 1).code == "booking_too_large"

    def test_that_counts_units_out_of_the_exact_range_is_refused(self):
        """The same for units; a free price must not hide it."""
        twin = Twin(prices=book(entry("text", input_tokens=0)))
        grant = twin.authorize(0)
        twin.state.budget.periods["2026-11"].units["text"].committed_tokens_milli = (
            9 * 10**15 - 1_000
        )

        assert twin.settle(grant, 2).code == "booking_too_large"
        assert isinstance(twin.settle(grant, 1), CallSettled)

    @pytest.mark.parametrize(
        ("modality", "meter"),
        [
            ("video", "minute_unit"),
            ("video", "video_minute_unit"),
            ("voice", "voice_minute_unit"),
            ("text", "token_unit"),
            ("text", "text_token_unit"),
            ("text", "interaction_unit"),
            ("data", "data_request"),
        ],
    )
    def test_moves_every_unit_from_held_to_committed(self, modality, meter):
        """Each unit has its own counters; one that is forgotten would never fill its quota."""
        prices = book(*(entry(m, stream_ms=0, input_tokens=0, requests=0) for m in MODALITIES))
        twin = Twin(prices=prices)
        grant = twin.authorize(modality=modality, estimate=Usage(5, 0, 5, 0, 5, 5))

        def counted() -> tuple[int, int]:
            meters = view("budget", twin.state, twin.now_us).meters
            return next((m.held, m.committed) for m in meters if m.meter == meter)

        assert counted() == (5_000, 0)
        twin.settle(grant, usage=Usage(3, 0, 3, 0, 3, 3))
        assert counted() == (0, 3_000)
        twin.release(twin.authorize(modality=modality, estimate=Usage(5, 0, 5, 0, 5, 5)))
        assert counted() == (0, 3_000)

    def test_while_suspended_is_booked(self):
        """Stopping a twin stops new calls, not the truth about old ones."""
        twin = Twin()
        settled, released = twin.authorize(10), twin.authorize(10)
        twin.do(SuspendTenant(command_id="suspend"))

        assert twin.settle(settled, 10).cost_nanos == 10
        assert isinstance(twin.release(released), HoldReleased)


class TestTwice:
    @pytest.mark.parametrize("first", ["settle", "release"])
    @pytest.mark.parametrize("second", ["settle", "release", "extend"])
    def test_closing_a_closed_hold_has_a_clear_answer_and_no_effect(self, first, second):
        """A retry under a new id must not book again."""
        twin = Twin()
        grant = twin.authorize(10)
        getattr(twin, first)(grant)
        before = (twin.standing, twin.totals.committed_nanos)

        refusal = getattr(twin, second)(grant)

        assert (refusal.code, refusal.status) == ("hold_closed", 409)
        assert before == (twin.standing, twin.totals.committed_nanos)

    def test_a_late_settlement_closes_for_good(self):
        """Late once is booked, late twice is not."""
        twin = Twin()
        grant = twin.authorize(10, ttl_ms=1_000)
        twin.pass_time(2 * SECOND)
        twin.settle(grant, 7)

        assert twin.settle(grant, 7).code == "hold_closed"
        assert twin.totals.committed_nanos == 7

    def test_a_decision_that_granted_nothing_has_no_hold(self):
        """The number of a refusal is not the number of a hold."""
        twin = Twin(policy(limit=1))
        refusal = twin.authorize(5)

        assert twin.settle(refusal).code == "hold_closed"


class TestNotOurs:
    @pytest.mark.parametrize("verb", ["settle", "release", "extend"])
    @pytest.mark.parametrize(
        ("reservation", "code", "status"),
        [
            ("fernandez.2", "hold_of_another_tenant", 403),
            ("cantor-2.2", "hold_of_another_tenant", 403),
            ("cantor.99", "hold_unknown", 404),
            ("cantor.0", "hold_unknown", 404),
        ],
    )
    def test_is_refused_by_name(self, verb, reservation, code, status):
        """Another twin's money cannot be touched, even with its reservation's name in hand."""
        twin = Twin()
        twin.authorize(10)
        before = twin.standing

        refusal = getattr(twin, verb)(reservation)

        assert (code, status) == (refusal.code, refusal.status)
        assert before == twin.standing

    def test_an_unknown_number_becomes_known_when_it_is_granted(self):
        """`unknown` is exact: the next decision is the first that it does not hold for."""
        twin = Twin()
        future = f"cantor.{twin.state.decisions + 2}"

        assert twin.settle(future).code == "hold_unknown"
        twin.authorize(10)

        assert isinstance(twin.settle(future), CallSettled)


class TestRelease:
    def test_gives_the_whole_hold_back(self):
        """The vendor was never called."""
        twin = Twin(policy(limit=60))
        twin.top_up(100)
        grant = twin.authorize(100)

        released = twin.release(grant)

        assert (released.held_nanos, released.held_credit_nanos) == (100, 40)
        assert (
            released.standing.committed_nanos,
            released.standing.held_nanos,
            released.standing.credits_nanos,
        ) == (0, 0, 100)


def test_a_step_down_holds_what_was_granted_not_what_was_asked():
    """The hold is the fallback's, in money, units and prices."""
    twin = Twin(policy(limit=100, quotas=Quotas(video_minute_units=0)), PRICES)
    grant = twin.authorize(100, "video", fallbacks=[option(20, "voice")])
    before = snapshot(twin.state)

    settled = twin.settle(grant, 10)

    assert before != snapshot(twin.state)
    assert (settled.modality, settled.cost_nanos, settled.held_nanos) == ("voice", 10, 20)
