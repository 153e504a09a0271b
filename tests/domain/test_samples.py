"""The mirror test: three samples of a draft, called and debited like anything else."""

import pytest

from contracts.usage import Usage
from domain import twin as rules
from tests.domain.dna import (
    SAMPLE_NANOS,
    activated,
    aim,
    ask,
    begin,
    calibrated,
    draft,
    fresh,
    record,
    sample,
)
from tests.domain.world import SECOND, option


class TestSamples:
    def test_are_three_at_a_time(self):
        """A fourth is refused while three are open, settled or recorded."""
        twin = fresh()
        draft(twin), aim(twin), begin(twin)
        grants = [ask(twin) for _ in range(3)]
        assert ask(twin).code == "samples_exhausted"
        twin.settle(grants[0], SAMPLE_NANOS)
        assert ask(twin).code == "samples_exhausted"
        record(twin, grants[0])
        assert ask(twin).code == "samples_exhausted"

    @pytest.mark.parametrize("ending", ["released", "failed", "cut_off", "expired"])
    def test_that_came_to_nothing_may_be_tried_again(self, ending):
        """A vendor's bad minute must not cost the round."""
        twin = fresh()
        draft(twin), aim(twin), begin(twin)
        grants = [ask(twin, ttl_ms=1_000) for _ in range(3)]
        match ending:
            case "released":
                twin.release(grants[0])
            case "expired":
                twin.pass_time(2 * SECOND)
            case _:
                twin.settle(grants[0], 0, outcome=ending)

        assert ask(twin).purpose == "calibration"
        assert record(twin, grants[0]).facts == {
            "rule": "the call was released, failed, cut off or expired"
        }

    def test_cannot_be_tried_for_ever(self):
        """A calibration of endless failures would be a stream that nobody has signed off."""
        twin = fresh()
        draft(twin), aim(twin), begin(twin)
        for _ in range(rules.CALLS_MAX):
            twin.settle(ask(twin), SAMPLE_NANOS, outcome="failed")

        refusal = ask(twin)
        assert (refusal.code, refusal.facts) == ("samples_exhausted", {"samples": 0, "calls": 9})
        begin(twin)
        assert ask(twin).purpose == "calibration"

    def test_that_are_settled_late_count_while_there_is_room(self):
        """The vendor was paid for it; but three are three."""
        twin = fresh()
        draft(twin), aim(twin), begin(twin)
        late = [ask(twin, ttl_ms=1_000) for _ in range(2)]
        twin.pass_time(2 * SECOND)
        for _ in range(2):
            sample(twin)
        twin.settle(late[0], SAMPLE_NANOS)
        twin.settle(late[1], SAMPLE_NANOS)

        assert record(twin, late[0]).number == 3
        assert record(twin, late[1]).code == "sample_invalid"

    @pytest.mark.parametrize(
        ("field", "call"),
        [
            ("modality", {"amount": 10, "modality": "voice"}),
            ("sku", {"amount": 100, "modality": "video", "sku": "other"}),
            ("fallbacks", {"amount": 100, "modality": "video", "fallbacks": [option(1, "text")]}),
            ("estimate.stream_ms", {"modality": "video", "estimate": Usage(stream_ms=60_001)}),
            ("estimate.requests", {"modality": "video", "estimate": Usage(requests=2)}),
            ("estimate", {"modality": "video", "estimate": Usage(characters=4_001)}),
        ],
    )
    def test_are_what_the_round_is_for(self, field, call):
        """Else `calibration` would be a word that opens the gate."""
        twin = fresh()
        draft(twin), aim(twin), begin(twin)

        refusal = twin.authorize(**call, purpose="calibration")

        assert (refusal.code, refusal.facts["field"]) == ("call_is_no_sample", field)

    def test_do_not_go_on(self):
        """A sample that is extended again and again would be a stream, too."""
        for twin in (calibrated(), calibrated(activated())):
            begin(twin)
            refusal = twin.extend(ask(twin), 100)
            assert refusal.code in {"twin_not_activated", "call_is_no_sample"}

    def test_are_recorded_once_and_only_from_this_round(self):
        """The Owner must see three samples of this draft, not one of them three times."""
        twin = fresh()
        draft(twin), aim(twin), begin(twin)
        old = ask(twin)
        twin.settle(old, SAMPLE_NANOS)
        begin(twin)
        grant = ask(twin)

        assert record(twin, old).code == "sample_invalid"
        assert record(twin, grant).facts == {"rule": "settle the call first"}
        twin.settle(grant, SAMPLE_NANOS)
        assert record(twin, grant).number == 1
        assert record(twin, grant).code == "sample_invalid"
        assert record(twin, "cantor.999").code == "sample_invalid"
        assert record(twin, "fernandez.2").code == "hold_of_another_tenant"

    def test_of_a_live_call_is_none(self):
        """A live call shows the live identity, not the draft."""
        twin = activated()
        draft(twin)
        begin(twin)
        live = twin.authorize(SAMPLE_NANOS, "video")
        twin.settle(live, SAMPLE_NANOS)

        assert record(twin, live).code == "sample_invalid"

    @pytest.mark.parametrize(
        ("modalities", "shown"),
        [
            (["data", "text", "voice", "video"], "video"),
            (["text", "voice"], "voice"),
            (["text", "data"], "text"),
        ],
    )
    def test_are_of_the_dearest_modality_that_the_policy_allows(self, modalities, shown):
        """Nobody may pass a video twin by a line of text."""
        twin = fresh(modalities=modalities, ladder=[])
        draft(twin), aim(twin)

        assert begin(twin, sku=shown).modality == shown

    def test_of_a_twin_that_is_only_data_cannot_be(self):
        """There is nothing to see or hear."""
        twin = fresh(modalities=["data"], ladder=[])
        draft(twin), aim(twin)

        assert begin(twin, sku="data").code == "modality_not_allowed"

    def test_need_a_price(self):
        """What cannot be priced cannot be held, so the round could never end."""
        twin = fresh()
        draft(twin), aim(twin)

        assert begin(twin, sku="nothing").code == "not_priced"
