"""Verdicts on doctored figures: off by one must be seen, and nothing passes that was not tried."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.client.read_side import AuditEntry
from services.evidence import audit_trail, burst, hard_limit, isolation, report
from services.evidence.exhibit import Exhibit, Expected

LIMIT = hard_limit.Seen(
    statuses=[200] * 100 + [402],
    last_code="monthly_hard_limit_reached",
    last_retry_after_ms=None,
    vendor_calls=100,
    committed_nanos=10**9,
    held_nanos=0,
    audit_entries=100,
)
NOW_US = 1_790_000_000_000_000
# 100 calls, 10 ms apart, in slots 20 ms apart.
QUEUED = burst.Queued(
    statuses=[200] * 100,
    slots_us=[NOW_US + 20_000 * number for number in range(100)],
    delays_us=[10_000 * number for number in range(100)],
    sending_us=990_000,
    vendor_calls=100,
)
DROPPED = burst.Dropped(
    statuses=[200] * 50 + [429] * 50,
    span_us=1_500,
    retry_after_ms=[19] * 50,
    status_after_retry=200,
    answers_afterwards=True,
)
ENTRY = AuditEntry(
    decision_id="ev04.7",
    reservation_id="ev04.1",
    provider_id="tavus",
    sku="cvi",
    outcome="completed",
    stream_ms=60_000,
    minute_units="1.000000000",
    cost_amount="0.370000000",
    cost_nanos=370_000_000,
    currency="USD",
    vendor_ref="call-1",
)
VIDEO = audit_trail.Seen(
    reservation_id="ev04.1",
    vendor_ref="call-1",
    streams=1,
    slices=6,
    settled_nanos=370_000_000,
    entries=[ENTRY],
)


def faults(judge, seen, *args, **kwargs):
    expected = Expected()
    judge(*args, seen, expected, **kwargs)
    return expected.faults


def limit_faults(**doctored):
    seen = msgspec.structs.replace(LIMIT, **doctored)
    return faults(hard_limit.judge, seen, "series", in_order=True)


def queue_faults(**doctored):
    return faults(burst.judge_queue, msgspec.structs.replace(QUEUED, **doctored))


def drop_faults(**doctored):
    return faults(burst.judge_drop, msgspec.structs.replace(DROPPED, **doctored))


class TestHardLimit:
    def test_the_claim_as_it_should_be(self):
        """The control: without it every other test could fail for another reason."""
        assert limit_faults() == []

    @pytest.mark.parametrize(
        "doctored",
        [
            {"statuses": [200] * 101},
            {"statuses": [200] * 99 + [402, 402]},
            {"statuses": [402] + [200] * 100},
            {"statuses": [200] * 100 + [429]},
            {"statuses": [200] * 100 + [402] * 2},
            {"vendor_calls": 101},
            {"vendor_calls": 99},
            {"committed_nanos": 10**9 + 1},
            {"committed_nanos": 10**9 - 1},
            {"held_nanos": 1},
            {"audit_entries": 101},
            {"audit_entries": 99},
            {"last_retry_after_ms": 1_000},
            {"last_code": "quota_exhausted"},
        ],
    )
    def test_off_by_one_fails(self, doctored):
        """One call, one nano or one entry too many or too few."""
        assert limit_faults(**doctored)

    def test_all_at_once_any_one_call_may_be_the_refused_one(self):
        """Order means nothing then; the counts do."""
        seen = msgspec.structs.replace(LIMIT, statuses=[402] + [200] * 100, last_code="granted")

        assert faults(hard_limit.judge, seen, "series", in_order=False) == []


class TestQueue:
    def test_the_claim_as_it_should_be(self):
        """The control."""
        assert queue_faults() == []

    def test_one_start_too_many_in_a_second_fails(self):
        """51 within a second, wherever the second begins."""
        for number in (1, 30, 99):
            slots = list(QUEUED.slots_us)
            slots[number] = slots[number - 1] + 19_999
            for later in range(number + 1, 100):
                slots[later] = slots[later - 1] + 20_000
            delays = [slot - NOW_US - 10_000 * n for n, slot in enumerate(slots)]

            found = queue_faults(slots_us=slots, delays_us=delays)
            assert any("most starts in any second" in fault for fault in found)
            assert any("inexact slots" in fault for fault in found)

    @pytest.mark.parametrize("off_us", [1, -1])
    def test_a_slot_that_is_off_by_a_microsecond_fails(self, off_us):
        """Too early is too fast; too late makes somebody wait for nothing."""
        slots = [slot + off_us * (number >= 50) for number, slot in enumerate(QUEUED.slots_us)]

        assert any("inexact" in fault for fault in queue_faults(slots_us=slots))

    @pytest.mark.parametrize(
        "doctored",
        [
            {"statuses": [200] * 99 + [503]},
            {"statuses": [200] * 99},
            {"vendor_calls": 99},
            {"vendor_calls": 101},
            {"sending_us": 1_250_001},
            {"delays_us": [0] * 100},
        ],
    )
    def test_what_is_not_the_claim_fails(self, doctored):
        """A crash, a lost call, or a trial that never offered 100 in a second."""
        assert queue_faults(**doctored)

    @given(st.lists(st.integers(0, 3_000_000), min_size=1, max_size=60))
    def test_the_busiest_second_is_the_busiest(self, times):
        """Goal: no window is overlooked. Method: compare with counting from every start."""
        slow = max(sum(start <= time < start + 1_000_000 for time in times) for start in times)

        assert burst.busiest_second(times) == slow


class TestDrop:
    def test_the_claim_as_it_should_be(self):
        """The control."""
        assert drop_faults() == []

    @pytest.mark.parametrize(
        "doctored",
        [
            {"statuses": [200] * 51 + [429] * 49, "retry_after_ms": [19] * 49},
            {"statuses": [200] * 49 + [429] * 51, "retry_after_ms": [19] * 51},
            {"statuses": [200] * 50 + [429] * 49 + [503], "retry_after_ms": [19] * 49},
            {"retry_after_ms": [19] * 49},
            {"retry_after_ms": [21] * 50},
            {"retry_after_ms": [0] * 50},
            {"status_after_retry": 429},
            {"answers_afterwards": False},
        ],
    )
    def test_off_by_one_fails(self, doctored):
        """One call too many, or a Retry-After that is none."""
        assert drop_faults(**doctored)

    def test_what_leaked_while_the_gate_decided_is_not_an_overshoot(self):
        """On a slow machine 20 ms pass within the message: then, and only then, one more passes."""
        slow = {"statuses": [200] * 51 + [429] * 49, "retry_after_ms": [19] * 49}

        assert drop_faults(**slow, span_us=20_000) == []
        assert drop_faults(**slow, span_us=19_999)


class TestAuditTrail:
    def test_the_claim_as_it_should_be(self):
        """The control."""
        assert faults(audit_trail.judge, VIDEO) == []

    @pytest.mark.parametrize(
        "doctored",
        [
            {"entries": []},
            {"entries": [ENTRY, ENTRY]},
            {"slices": 5},
            {"streams": 2},
            {"settled_nanos": 370_000_001},
        ],
    )
    def test_more_or_less_than_one_entry_fails(self, doctored):
        """Exactly one, for exactly what was generated."""
        assert faults(audit_trail.judge, msgspec.structs.replace(VIDEO, **doctored))

    @pytest.mark.parametrize(
        "doctored",
        [
            {"cost_amount": "0.370000001"},
            {"cost_amount": "0.369999999"},
            {"cost_nanos": 370_000_001},
            {"provider_id": "cartesia"},
            {"stream_ms": 59_999},
            {"minute_units": "1.000000001"},
            {"outcome": "cut_off"},
            {"currency": "EUR"},
            {"reservation_id": "ev04.2"},
            {"vendor_ref": "call-2"},
        ],
    )
    def test_a_wrong_field_fails(self, doctored):
        """One nano, one millisecond, another provider."""
        entry = msgspec.structs.replace(ENTRY, **doctored)

        assert faults(audit_trail.judge, msgspec.structs.replace(VIDEO, entries=[entry]))


APART = isolation.Seen(
    own={"GET": 200, "NATS": 200},
    foreign={"GET": 403, "NATS": 403},
    nobody={"GET": 403, "NATS": 403},
    differences=[],
    hears_pushes=False,
    slowest_ms=40.0,
    position_before=1,
    position_after=1,
)


class TestIsolation:
    def test_strictly_apart_passes(self):
        """The figures of an honest run."""
        assert faults(isolation.judge, APART) == []

    @pytest.mark.parametrize(
        "doctored",
        [
            {"own": {"GET": 200, "NATS": 403}},
            {"foreign": {"GET": 403, "NATS": 200}},
            {"foreign": {"GET": 404, "NATS": 403}},
            {"foreign": {"GET": 403}},
            {"nobody": {"GET": 404, "NATS": 403}},
            {"differences": ["GET"]},
            {"hears_pushes": True},
            {"slowest_ms": 1_500.0},
            {"position_after": 2},
        ],
    )
    def test_any_leak_fails(self, doctored):
        """One door that answers, one answer that differs, one event in B's log."""
        assert faults(isolation.judge, msgspec.structs.replace(APART, **doctored))


def exhibit(name, **fields):
    return Exhibit(**{"id": name, "claim": "c: d", "method": "m", "observed": {"x": 1}, **fields})


PASSED = [exhibit(name) for name in ("EV-01", "EV-02", "EV-03", "EV-03-WS", "EV-04")]


class TestReport:
    def test_all_that_can_be_verified_must_have_passed(self):
        """The exit code is what other programs look at."""
        assert report.holds(PASSED)
        for number in range(len(PASSED)):
            without = PASSED[:number] + PASSED[number + 1 :]
            broken = [*without, exhibit(PASSED[number].id, faults=["off by one"])]
            untried = [*without, exhibit(PASSED[number].id, observed={})]
            for exhibits in (without, broken, untried):
                assert not report.holds(exhibits)

    def test_the_document_says_what_a_person_reads(self):
        """Claim, method, figures and verdict, for programs."""
        document = json.loads(report.as_json(PASSED))

        assert document["holds"] is True
        assert {found["status"] for found in document["exhibits"]} == {"PASS"}
        assert document["exhibits"][0]["observed"] == {"x": 1}
