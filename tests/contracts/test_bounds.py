"""Bounds live in the types: what is outside is refused before the domain sees it."""

import json

import msgspec
import pytest

from contracts.budget import AuthorizeCall, ExtendCall, SettleCall, TopUpCredits
from contracts.deployment import (
    ChangeDeployment,
    CreateDeployment,
    MintVisitor,
    SetDisclosure,
)
from contracts.knowledge import AddSource, ApproveSource, ReportIngested
from contracts.policy import Policy
from contracts.price_book import PriceBook
from contracts.session import BeginSession, EndSession, ShowDisclosure, StepSession
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


TERMS = json.loads(msgspec.json.encode(examples.TERMS))
A_KILOBYTE = "x" * 1_024
# How each noun's example is broken; the path in the error names the field.
BROKEN = [
    (CreateDeployment, {"deployment": "a b"}, "$.deployment"),
    (CreateDeployment, {"deployment": "a" * 65}, "$.deployment"),
    (CreateDeployment, {"deployment": ""}, "$.deployment"),
    (CreateDeployment, {"deployment": 7}, "$.deployment"),
    (CreateDeployment, {"terms": TERMS | {"surface": "billboard"}}, "$.terms.surface"),
    (CreateDeployment, {"terms": TERMS | {"ceiling": "data"}}, "$.terms.ceiling"),
    (CreateDeployment, {"terms": TERMS | {"origins": [""]}}, "$.terms.origins[0]"),
    (CreateDeployment, {"terms": TERMS | {"origins": [A_KILOBYTE]}}, "$.terms.origins[0]"),
    (CreateDeployment, {"terms": TERMS | {"origins": ["a"] * 21}}, "$.terms.origins"),
    (CreateDeployment, {"terms": TERMS | {"origins": "https://a.example"}}, "$.terms.origins"),
    (CreateDeployment, {"terms": TERMS | {"mints_per_minute": 0}}, "$.terms.mints_per_minute"),
    (CreateDeployment, {"terms": TERMS | {"mints_per_minute": 10**5}}, "$.terms.mints_per_minute"),
    (CreateDeployment, {"terms": TERMS | {"mints_per_minute": 1.5}}, "$.terms.mints_per_minute"),
    (CreateDeployment, {"terms": TERMS | {"expires_at_us": 10**400}}, "$.terms.expires_at_us"),
    (CreateDeployment, {"terms": TERMS | {"expires_at_us": -1}}, "$.terms.expires_at_us"),
    (CreateDeployment, {"terms": TERMS | {"surprise": 1}}, "$.terms"),
    (SetDisclosure, {"disclosure": {"text": "a", "language": "spanish!"}}, "$.disclosure.language"),
    (SetDisclosure, {"disclosure": {"text": "a", "language": "es_MX"}}, "$.disclosure.language"),
    (SetDisclosure, {"disclosure": {"language": "es"}}, "$.disclosure"),
    (ChangeDeployment, {"expected_version": 10**30}, "$.expected_version"),
    (MintVisitor, {"visitor_id": "short"}, "$.visitor_id"),
    (MintVisitor, {"visitor_id": "a" * 57}, "$.visitor_id"),
    (MintVisitor, {"visitor_id": "a" * 16 + "."}, "$.visitor_id"),
    (MintVisitor, {"origin": A_KILOBYTE}, "$.origin"),
    (MintVisitor, {"ttl_s": 59}, "$.ttl_s"),
    (MintVisitor, {"ttl_s": 901}, "$.ttl_s"),
    (AddSource, {"kind": "xlsx"}, "$.kind"),
    (AddSource, {"title": ""}, "$.title"),
    (AddSource, {"location": ""}, "$.location"),
    (ReportIngested, {"ingestion": 0}, "$.ingestion"),
    (ReportIngested, {"ingestion": 10**18}, "$.ingestion"),
    (ReportIngested, {"chunks": 0}, "$.chunks"),
    (ReportIngested, {"chunks": 10**9}, "$.chunks"),
    (ReportIngested, {"content_hash": examples.CONTENT.upper()}, "$.content_hash"),
    (ReportIngested, {"content_hash": examples.CONTENT + "\n"}, "$.content_hash"),
    (ApproveSource, {"content_hash": ""}, "$.content_hash"),
    (BeginSession, {"session_id": "a b"}, "$.session_id"),
    (BeginSession, {"session_id": "a" * 65}, "$.session_id"),
    (BeginSession, {"modality": "data"}, "$.modality"),
    (BeginSession, {"lease_ms": 4_999}, "$.lease_ms"),
    (BeginSession, {"lease_ms": 300_001}, "$.lease_ms"),
    (StepSession, {"why": "Because!"}, "$.why"),
    (StepSession, {"notice": "sung"}, "$.notice"),
    (EndSession, {"reason": "killed"}, "$.reason"),
    (ShowDisclosure, {"version": -1}, "$.version"),
]


@pytest.mark.parametrize(
    ("kind", "broken", "path"),
    BROKEN,
    ids=[f"{k.__name__}{p}-{n}" for n, (k, _, p) in enumerate(BROKEN)],
)
def test_what_is_out_of_bounds_is_refused_by_the_path_of_its_field(kind, broken, path):
    """A caller corrects its program by the answer."""
    good = json.loads(msgspec.json.encode(command(kind)))

    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.json.decode(json.dumps(good | broken), type=kind)
    assert path in str(refused.value)
