"""Bounds live in the types: what is outside is refused before the domain sees it."""

import json

import msgspec
import pytest

from contracts.budget import AuthorizeCall, ExtendCall, SettleCall, TopUpCredits
from contracts.policy import Policy
from contracts.price_book import PriceBook
from contracts.tenant import ProvisionTenant
from contracts.twin import (
    BeginCalibration,
    RecordSample,
    RefineTwin,
    RetireTwin,
    SetIdentity,
    SetPurpose,
    SignOffTwin,
)
from contracts.usage import Usage
from tests import examples


def command(kind):
    return next(c for c in examples.COMMANDS if type(c) is kind)


@pytest.mark.parametrize(
    ("kind", "field", "values"),
    [
        (AuthorizeCall, "ttl_ms", (0, 999, 86_400_001, 1.5, "60000", None, True)),
        (AuthorizeCall, "max_delay_ms", (-1, 60_001, 0.5)),
        (AuthorizeCall, "modality", ("smell", "", None)),
        (AuthorizeCall, "fallbacks", ([{}] * 4, [{"modality": "text"}], {})),
        (AuthorizeCall, "estimate", (None, [], {"tokens": 1})),
        (ExtendCall, "ttl_ms", (0, 86_400_001)),
        (SettleCall, "outcome", ("ok", None)),
        (SettleCall, "vendor_ref", ("x" * 129, 7)),
        (TopUpCredits, "amount_nanos", (0, -1, 1_000_000_000_000_001, 0.1, "5")),
        (TopUpCredits, "reason", ("x" * 501,)),
        (AuthorizeCall, "purpose", ("rehearsal", "", None)),
        (ProvisionTenant, "activation", ("now", None)),
        (SetIdentity, "identity", (None, {}, {"tone": "x"}, [])),
        (SetIdentity, "note", ("x" * 501, "bell\x07", "\u202e")),
        (SetPurpose, "expected_version", (-1, 1.0, "1")),
        (RefineTwin, "refinement", ({"pitch_permille": 499}, {"speed_permille": 2_001}, {"x": 1})),
        (BeginCalibration, "version", (-1, None, "2")),
        (RecordSample, "reference", ("x" * 501, "\r")),
        (SignOffTwin, "version", (-1, None, 0.5)),
        (SignOffTwin, "note", ("\u2066",)),
        (RetireTwin, "reason", ("x" * 501, "\0")),
    ],
)
def test_command_field_outside_its_bounds_is_refused(kind, field, values):
    """A float for money, a negative time, an endless text: never decided."""
    good = json.loads(msgspec.json.encode(command(kind)))
    for value in values:
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(json.dumps(good | {field: value}), type=kind)


@pytest.mark.parametrize("field", Usage.__struct_fields__)
def test_quantity_is_a_whole_number_within_its_bounds(field):
    """A quantity is counted, never estimated with a fraction."""
    for value in (-1, 1_000_000_001, 0.5, "1", None):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(json.dumps({field: value}), type=Usage)
    assert getattr(msgspec.json.decode(json.dumps({field: 10**9}), type=Usage), field) == 10**9


@pytest.mark.parametrize(
    "broken",
    [
        {"rate": {"requests": 0}},
        {"rate": {"requests": 1, "period_ms": 0}},
        {"rate": {"requests": 1, "burst": 0}},
        {"rate": {"requests": 1, "overflow": "wait"}},
        {"rate": {"requests": 1, "queue_max_delay_ms": 60_001}},
        {"budget": {"monthly_hard_limit_nanos": -1}},
        {"budget": {"monthly_hard_limit_nanos": 9_000_000_000_000_001}},
        {"budget": {"monthly_hard_limit_nanos": 1, "soft_cap_permille": 0}},
        {"budget": {"monthly_hard_limit_nanos": 1, "soft_cap_permille": 1_001}},
        {"modalities": []},
        {"modalities": ["smell"]},
        {"ladder": ["video"] * 5},
        {"quotas": {"video_minute_units": -1}},
        {"session": {"max_token_units": 1_000_000_001}},
        {"unit_weights": {"token_unit_milli": 1_000_001}},
        {"time_zone": ""},
        {"currency": "usd"},
        {"currency": "USD\n"},
        {"surprise": 1},
    ],
    ids=json.dumps,
)
def test_policy_outside_its_bounds_is_refused(broken):
    """Every bound of the document, from both sides where it has two."""
    good = json.loads(msgspec.json.encode(examples.POLICY))
    msgspec.json.decode(json.dumps(good), type=Policy)

    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(good | broken), type=Policy)


@pytest.mark.parametrize(
    "broken",
    [
        {"prices": {}},
        {"prices": {"sweets": {"nanos": 1}}},
        {"prices": {"requests": {"nanos": -1}}},
        {"prices": {"requests": {"nanos": 1, "per": 0}}},
        {"prices": {"requests": {"nanos": 0.5}}},
        {"provenance": {"source": "", "retrieved_on": "2026-01-01"}},
        {"provenance": {"source": "x", "retrieved_on": "yesterday"}},
        {"provenance": {"source": "x", "retrieved_on": "٢٠٢٦-٠١-٠١"}},  # noqa: RUF001
        {"provenance": {"source": "x"}},
    ],
    ids=json.dumps,
)
def test_price_outside_its_bounds_is_refused(broken):
    """A price needs a whole number, a unit and where it was read."""
    good = json.loads(msgspec.json.encode(examples.PRICE_BOOK))
    entry = good["entries"][0] | broken

    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(good | {"entries": [entry]}), type=PriceBook)
