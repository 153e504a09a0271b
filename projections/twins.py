"""
Twins: the DNA of each twin, every version of it, and who signed what off when.

`twins` has one row for each twin: which versions are live and drafted, and how far the calibration
that is under way has come (0 and empty: there is none). `twin_dna` keeps every version of the
identity and of the purpose, `twin_samples` what the Owner was shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from contracts.tenant import TenantProvisioned
from contracts.twin import (
    CalibrationBegun,
    IdentityDrafted,
    IdentityRefined,
    PurposeSet,
    SampleRecorded,
    TwinRetired,
    TwinSignedOff,
)
from projections.cells import (
    NULL,
    NUMBER,
    TEXT,
    copied,
    copied_json,
    copied_or_null,
    line_of,
    moment,
    text,
)
from projections.projection import Append, Change, Commit, Write

NAME = "twins"
DEFINITION = 1
CHANGED: tuple[str, ...] = ("twins", "twin_dna")

TABLES = """
CREATE TABLE {schema}.twins (
    tenant              text    PRIMARY KEY,
    live_version        integer NOT NULL,
    draft_version       integer NOT NULL,
    purpose_version     integer NOT NULL,
    calibration         integer NOT NULL,
    calibration_version integer NOT NULL,
    modality            text    NOT NULL,
    provider_id         text    NOT NULL,
    sku                 text    NOT NULL,
    samples             integer NOT NULL,
    activated_at        timestamptz,
    retired_at          timestamptz,
    position            bigint  NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE {schema}.twin_dna (
    tenant         text        NOT NULL,
    part           text        NOT NULL CHECK (part IN ('identity', 'purpose')),
    version        integer     NOT NULL,
    document       jsonb       NOT NULL,
    pitch_permille integer,
    speed_permille integer,
    note           text,
    actor          text        NOT NULL,
    occurred_at    timestamptz NOT NULL,
    decision       bigint      NOT NULL,
    position       bigint      NOT NULL,
    signed_off_by  text,
    signed_off_at  timestamptz,
    sign_off       bigint,
    sign_off_note  text,
    PRIMARY KEY (tenant, part, version)
);
CREATE TABLE {schema}.twin_samples (
    tenant      text        NOT NULL,
    reservation bigint      NOT NULL,
    calibration integer     NOT NULL,
    version     integer     NOT NULL,
    number      integer     NOT NULL,
    reference   text,
    actor       text        NOT NULL,
    occurred_at timestamptz NOT NULL,
    decision    bigint      NOT NULL,
    position    bigint      NOT NULL,
    PRIMARY KEY (tenant, reservation)
);
CREATE UNIQUE INDEX ON {schema}.twin_samples (tenant, calibration, number);
"""

VIEWS = {
    "twins": """
SELECT tenant, live_version, draft_version, purpose_version, calibration, calibration_version,
    modality, provider_id, sku, samples, activated_at, retired_at, position
FROM {schema}.twins
""",
    "twin_dna": """
SELECT tenant, part, version, document, pitch_permille, speed_permille, note, actor, occurred_at,
    decision, tenant || '.' || decision AS decision_id, position,
    signed_off_by, signed_off_at, tenant || '.' || sign_off AS sign_off_id, sign_off_note
FROM {schema}.twin_dna
""",
    "twin_samples": """
SELECT tenant, reservation, tenant || '.' || reservation AS reservation_id, calibration, version,
    number, reference, actor, occurred_at, decision, tenant || '.' || decision AS decision_id,
    position
FROM {schema}.twin_samples
""",
}

_CHANGE = """
MERGE INTO {schema}.twins t
USING json_to_recordset(%s::json) AS c(
    tenant text, live_version integer, draft_version integer, purpose_version integer,
    calibration integer, calibration_version integer, modality text, provider_id text, sku text,
    samples integer, activated_at timestamptz, retired_at timestamptz, position bigint)
ON t.tenant = c.tenant
WHEN MATCHED THEN UPDATE SET
    live_version = coalesce(c.live_version, t.live_version),
    draft_version = coalesce(c.draft_version, t.draft_version),
    purpose_version = coalesce(c.purpose_version, t.purpose_version),
    calibration = coalesce(c.calibration, t.calibration),
    calibration_version = coalesce(c.calibration_version, t.calibration_version),
    modality = coalesce(c.modality, t.modality),
    provider_id = coalesce(c.provider_id, t.provider_id),
    sku = coalesce(c.sku, t.sku),
    samples = coalesce(c.samples, t.samples),
    activated_at = coalesce(t.activated_at, c.activated_at),
    retired_at = coalesce(t.retired_at, c.retired_at),
    position = c.position
WHEN NOT MATCHED THEN INSERT
    (tenant, live_version, draft_version, purpose_version, calibration, calibration_version,
     modality, provider_id, sku, samples, activated_at, retired_at, position)
VALUES (c.tenant, coalesce(c.live_version, 0), coalesce(c.draft_version, 0),
    coalesce(c.purpose_version, 0), coalesce(c.calibration, 0), coalesce(c.calibration_version, 0),
    coalesce(c.modality, ''), coalesce(c.provider_id, ''), coalesce(c.sku, ''),
    coalesce(c.samples, 0), c.activated_at, c.retired_at, c.position)
"""
_SIGN = """
UPDATE {schema}.twin_dna d SET signed_off_by = c.signed_off_by, signed_off_at = c.signed_off_at,
    sign_off = c.sign_off, sign_off_note = c.sign_off_note
FROM json_to_recordset(%s::json) AS c(tenant text, version integer, signed_off_by text,
    signed_off_at timestamptz, sign_off bigint, sign_off_note text)
WHERE d.tenant = c.tenant AND d.part = 'identity' AND d.version = c.version
"""

_DNA = {
    "tenant": TEXT,
    "part": TEXT,
    "version": NUMBER,
    "document": TEXT,
    # Null for a purpose.
    "pitch_permille": TEXT,
    "speed_permille": TEXT,
    "note": TEXT,
    "actor": TEXT,
    "occurred_at": TEXT,
    "decision": NUMBER,
    "position": NUMBER,
}
_DNA_LINE = line_of(_DNA)
_SAMPLES = {
    "tenant": TEXT,
    "reservation": NUMBER,
    "calibration": NUMBER,
    "version": NUMBER,
    "number": NUMBER,
    "reference": TEXT,
    "actor": TEXT,
    "occurred_at": TEXT,
    "decision": NUMBER,
    "position": NUMBER,
}
_SAMPLE_LINE = line_of(_SAMPLES)


class _Twin(msgspec.Struct, gc=False):
    """What a batch changes of a twin; null leaves it as it is."""

    tenant: str
    live_version: int | None = None
    draft_version: int | None = None
    purpose_version: int | None = None
    calibration: int | None = None
    calibration_version: int | None = None
    modality: str | None = None
    provider_id: str | None = None
    sku: str | None = None
    samples: int | None = None
    activated_at: str | None = None
    retired_at: str | None = None
    position: int = 0

    def no_calibration(self) -> None:
        """None is under way any more."""
        self.calibration = self.calibration_version = self.samples = 0
        self.modality = self.provider_id = self.sku = ""


class _SignOff(msgspec.Struct, gc=False):
    """That a version of the identity was signed off."""

    tenant: str
    version: int
    signed_off_by: str
    signed_off_at: str
    sign_off: int
    sign_off_note: str | None


class Fold:
    """A row for each version and sample, and what each twin of the batch is after it."""

    def __init__(self) -> None:
        self._twins: dict[str, _Twin] = {}
        self._dna: list[str] = []
        self._samples: list[str] = []
        self._sign_offs: list[_SignOff] = []

    def add(self, commit: Commit) -> None:
        """See Folding."""
        for event in commit.events:
            apply = _APPLY.get(type(event))
            if apply is not None:
                twin = self._twins.get(commit.tenant)
                if twin is None:
                    twin = self._twins[commit.tenant] = _Twin(commit.tenant)
                twin.position = commit.position
                apply(self, twin, event)

    def writes(self) -> list[Write]:
        """See Folding."""
        return [
            Append("twin_dna", tuple(_DNA), self._dna),
            Append("twin_samples", tuple(_SAMPLES), self._samples),
            Change(_SIGN, self._sign_offs, all_match=True),
            Change(_CHANGE, list(self._twins.values())),
        ]

    def provisioned(self, twin: _Twin, event: TenantProvisioned) -> None:
        if event.activation == "immediate":
            twin.activated_at = moment(event.at_us)

    def drafted(self, twin: _Twin, event: IdentityDrafted | IdentityRefined) -> None:
        twin.draft_version = event.version
        twin.no_calibration()
        pitch, speed = event.refinement.pitch_permille, event.refinement.speed_permille
        self._dna.append(_dna(twin, "identity", event, event.identity, pitch, speed))

    def purpose_set(self, twin: _Twin, event: PurposeSet) -> None:
        twin.purpose_version = event.version
        self._dna.append(_dna(twin, "purpose", event, event.purpose, NULL, NULL))

    def calibration_begun(self, twin: _Twin, event: CalibrationBegun) -> None:
        twin.calibration, twin.calibration_version = event.calibration, event.version
        twin.modality, twin.provider_id, twin.sku = event.modality, event.provider_id, event.sku
        twin.samples = 0

    def sample_recorded(self, twin: _Twin, event: SampleRecorded) -> None:
        twin.samples = event.number
        self._samples.append(
            _SAMPLE_LINE
            % (
                twin.tenant,
                event.reservation,
                event.calibration,
                event.version,
                event.number,
                copied_or_null(event.reference),
                copied(event.actor),
                moment(event.at_us),
                event.decision,
                twin.position,
            )
        )

    def signed_off(self, twin: _Twin, event: TwinSignedOff) -> None:
        twin.live_version, twin.draft_version = event.version, 0
        twin.no_calibration()
        at = moment(event.at_us)
        # The first one counts: a twin is activated once.
        twin.activated_at = twin.activated_at or at
        self._sign_offs.append(
            _SignOff(
                twin.tenant,
                event.version,
                text(event.actor),
                at,
                event.decision,
                text(event.note) or None,
            )
        )

    def retired(self, twin: _Twin, event: TwinRetired) -> None:
        twin.retired_at = moment(event.at_us)


def _dna(
    twin: _Twin,
    part: str,
    event: IdentityDrafted | IdentityRefined | PurposeSet,
    document: object,
    pitch: int | str,
    speed: int | str,
) -> str:
    return _DNA_LINE % (
        twin.tenant,
        part,
        event.version,
        copied_json(document),
        pitch,
        speed,
        copied_or_null(event.note),
        copied(event.actor),
        moment(event.at_us),
        event.decision,
        twin.position,
    )


# By type: of a hot tenant's events hardly any is one of these.
_APPLY: Mapping[type, Callable[[Fold, _Twin, Any], None]] = {
    TenantProvisioned: Fold.provisioned,
    IdentityDrafted: Fold.drafted,
    IdentityRefined: Fold.drafted,
    PurposeSet: Fold.purpose_set,
    CalibrationBegun: Fold.calibration_begun,
    SampleRecorded: Fold.sample_recorded,
    TwinSignedOff: Fold.signed_off,
    TwinRetired: Fold.retired,
}
