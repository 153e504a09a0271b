"""What a turn asks for is an upper bound of what it consumes, and both twins can pay for it."""

import pytest

from domain import price_book
from services.demo.schedule import turns
from services.demo.trace import read_trace
from services.demo.turns import PROVIDERS, calls
from services.twins import TWINS

BY_NAME = {twin.tenant: twin for twin in TWINS}


@pytest.fixture(scope="module")
def asked():
    """Every call of ten seconds at sixty times the pace: both twins, all sizes."""
    schedule = turns(read_trace(), speed=60.0, lasts_us=10_000_000, run="r")
    return [(turn, ways) for turn in schedule for ways in calls(turn, speed=60.0)]


class TestCalls:
    def test_no_call_consumes_more_than_was_asked_for(self, asked):
        """An estimate below the truth would be an overrun in every settlement."""
        for _, ways in asked:
            for way in ways:
                bound, spent = way.option.estimate, way.request["usage"]
                for name in bound.__struct_fields__:
                    assert getattr(spent, name) <= getattr(bound, name)

    def test_every_way_is_on_the_twins_price_book_and_policy(self, asked):
        """A demo full of `not_priced` would show nothing."""
        for turn, ways in asked:
            twin = BY_NAME[turn.tenant]
            entries = {
                price_book.key(e.provider_id, e.sku, e.modality): e for e in twin.price_book.entries
            }
            for way in ways:
                option = way.option
                entry = entries[price_book.key(option.provider_id, option.sku, option.modality)]
                for usage in (option.estimate, way.request["usage"]):
                    assert price_book.cost_nanos(price_book.work_out(entry), usage) is not None
                assert option.modality in twin.policy.modalities
                assert option.provider_id in PROVIDERS

    def test_fallbacks_go_down_the_ladder(self, asked):
        """The gate refuses a fallback that is not further down."""
        for turn, ways in asked:
            ladder = BY_NAME[turn.tenant].policy.ladder
            rungs = [ladder.index(way.option.modality) for way in ways[1:]]
            assert rungs == sorted(rungs)

    def test_speed_scales_what_a_vendor_takes(self, asked):
        """Otherwise a fast replay would be one long wait."""
        turn, ways = asked[0]
        slow = next(iter(calls(turn, speed=1.0)))

        assert slow[0].request["takes_ms"] == pytest.approx(60 * ways[0].request["takes_ms"])

    def test_a_turn_succeeds_once(self, asked):
        """One interaction_unit a turn, not one a vendor call."""
        for turn in {id(turn): turn for turn, _ in asked}.values():
            counted = [ways[0].option.estimate.turns for ways in calls(turn, speed=1.0)]
            assert sum(counted) == 1
