"""
Onboarding: the decisions that take a twin from its first draft to the Owner's signature.

A suspended twin can be shaped, reviewed and signed off as well; it makes no calls, so it gets no
new samples. A retired twin gets nothing: `domain.gate` refuses for all nouns alike.
"""

from __future__ import annotations

from typing import Final

from contracts.access import OPERATOR, kind_of
from contracts.budget import AuthorizeCall
from contracts.commit import AnyEvent
from contracts.twin import (
    SAMPLES,
    BeginCalibration,
    CalibrationBegun,
    Identity,
    IdentityDrafted,
    IdentityRefined,
    Purpose,
    PurposeSet,
    RecordSample,
    RefineTwin,
    RetireTwin,
    SampleRecorded,
    SetIdentity,
    SetPurpose,
    SignOffTwin,
    TwinRetired,
    TwinSignedOff,
)
from domain import price_book, session, tenant, twin
from domain.refusals import (
    CALL_IS_NO_SAMPLE,
    DNA_INCOMPLETE,
    DNA_INVALID,
    HOLD_OF_ANOTHER_TENANT,
    MODALITY_NOT_ALLOWED,
    NOT_CALIBRATING,
    NOT_PRICED,
    SAMPLE_INVALID,
    SAMPLES_EXHAUSTED,
    SIGN_OFF_IS_THE_OWNERS,
    TWIN_UNKNOWN,
    VERSION_CONFLICT,
    Refusal,
)
from domain.refusing import refuse
from domain.state import Decisions, Envelope, State, head

_Why = tuple[Refusal, dict[str, int | str]]


def set_identity(state: State, command: SetIdentity, envelope: Envelope) -> list[AnyEvent]:
    why = _why_not_edit(state, command.expected_version, state.twin.versions, command.identity)
    if why is not None:
        return [refuse(state, command, envelope, *why)]
    return [
        IdentityDrafted(
            *head(state, command, envelope),
            state.twin.versions + 1,
            command.identity,
            twin.latest(state.twin).refinement,
            command.note,
            envelope.actor,
        )
    ]


def refine(state: State, command: RefineTwin, envelope: Envelope) -> list[AnyEvent]:
    identity = twin.latest(state.twin).identity
    why = _why_not_edit(state, command.expected_version, state.twin.versions)
    if why is not None or identity is None:
        why = why or (DNA_INCOMPLETE, {"missing": "twin.set_identity"})
        return [refuse(state, command, envelope, *why)]
    return [
        IdentityRefined(
            *head(state, command, envelope),
            state.twin.versions + 1,
            identity,
            command.refinement,
            command.note,
            envelope.actor,
        )
    ]


def set_purpose(state: State, command: SetPurpose, envelope: Envelope) -> list[AnyEvent]:
    why = _why_not_edit(state, command.expected_version, state.twin.purposes, command.purpose)
    if why is not None:
        return [refuse(state, command, envelope, *why)]
    return [
        PurposeSet(
            *head(state, command, envelope),
            state.twin.purposes + 1,
            command.purpose,
            command.note,
            envelope.actor,
        )
    ]


def _why_not_edit(
    state: State,
    expected_version: int | None,
    current_version: int,
    document: Identity | Purpose | None = None,
) -> _Why | None:
    if state.tenant.status == "absent":
        return TWIN_UNKNOWN, {}
    if expected_version not in (None, current_version):
        return VERSION_CONFLICT, {"current_version": current_version}
    broken = None if document is None else twin.contradiction(document)
    if broken is not None:
        return DNA_INVALID, {"field": broken[0], "rule": broken[1]}
    return None


# -- The mirror test ----------------------------------------------------------


def begin_calibration(
    state: State, command: BeginCalibration, envelope: Envelope
) -> list[AnyEvent]:
    rules = state.policy.policy
    modality = None if rules is None else twin.shown_in(rules)
    why = _why_not_begin(state, command, modality)
    if why is not None or modality is None:
        return [refuse(state, command, envelope, *(why or (MODALITY_NOT_ALLOWED, {})))]
    return [
        CalibrationBegun(
            *head(state, command, envelope),
            state.twin.draft.version,
            state.twin.calibrations + 1,
            modality,
            command.provider_id,
            command.sku,
            envelope.actor,
        )
    ]


def _why_not_begin(state: State, command: BeginCalibration, modality: str | None) -> _Why | None:
    if state.tenant.status == "absent":
        return TWIN_UNKNOWN, {}
    draft = state.twin.draft.version
    if not draft:
        return DNA_INCOMPLETE, {"missing": "twin.set_identity"}
    if command.version != draft:
        return VERSION_CONFLICT, {"current_version": draft}
    if state.twin.purpose is None:
        return DNA_INCOMPLETE, {"missing": "twin.set_purpose"}
    if modality is not None:
        product = price_book.key(command.provider_id, command.sku, modality)
        if product not in state.prices.tariffs:
            return NOT_PRICED, {"modality": modality}
    return None


def record_sample(state: State, command: RecordSample, envelope: Envelope) -> list[AnyEvent]:
    why = _why_not_sample(state, command)
    calibration = state.twin.calibration
    if why is not None or calibration is None:
        return [refuse(state, command, envelope, *(why or (NOT_CALIBRATING, {})))]
    return [
        SampleRecorded(
            *head(state, command, envelope),
            calibration.version,
            calibration.number,
            len(calibration.samples) + 1,
            _reservation(command),
            command.reference,
            envelope.actor,
        )
    ]


def _why_not_sample(state: State, command: RecordSample) -> _Why | None:
    if state.tenant.status == "absent":
        return TWIN_UNKNOWN, {}
    if command.reservation_id.rpartition(".")[0] != state.name:
        return HOLD_OF_ANOTHER_TENANT, {}
    if state.twin.calibration is None:
        return NOT_CALIBRATING, {}
    match state.twin.calibration.calls.get(_reservation(command)):
        case "settled":
            return None
        case "open":
            return SAMPLE_INVALID, {"rule": "settle the call first"}
        case "recorded":
            return SAMPLE_INVALID, {"rule": "each call is one sample, and this one is recorded"}
        case "lost":
            return SAMPLE_INVALID, {"rule": "the call was released, failed, cut off or expired"}
        case None:
            rule = f"a calibration call granted in round {state.twin.calibration.number}"
            return SAMPLE_INVALID, {"rule": rule}


def _reservation(command: RecordSample) -> int:
    return int(command.reservation_id.rpartition(".")[2])


def sign_off(state: State, command: SignOffTwin, envelope: Envelope) -> list[AnyEvent]:
    why = _why_not_sign(state, command, envelope.actor)
    calibration = state.twin.calibration
    if why is not None or calibration is None:
        return [refuse(state, command, envelope, *(why or (NOT_CALIBRATING, {})))]
    status = state.tenant.status
    return [
        TwinSignedOff(
            *head(state, command, envelope),
            calibration.version,
            calibration.number,
            list(calibration.samples),
            "active" if status == "provisioned" else status,
            command.note,
            envelope.actor,
        )
    ]


def _why_not_sign(state: State, command: SignOffTwin, actor: str) -> _Why | None:
    if state.tenant.status == "absent":
        return TWIN_UNKNOWN, {}
    # A broken glass opens what an admin may see, not whose face this is.
    if actor != OPERATOR and kind_of(actor) != "person":
        return SIGN_OFF_IS_THE_OWNERS, {}
    draft = state.twin.draft.version
    if not draft:
        return DNA_INCOMPLETE, {"missing": "twin.set_identity"}
    if command.version != draft:
        return VERSION_CONFLICT, {"current_version": draft}
    calibration = state.twin.calibration
    if calibration is None or len(calibration.samples) < SAMPLES:
        made = twin.progress(state.twin, is_activated=state.tenant.is_activated)
        steps = [command for command, _ in twin.steps(made, "active")]
        return DNA_INCOMPLETE, {"missing": ", ".join(steps[: steps.index("twin.sign_off")])}
    return None


def retire(state: State, command: RetireTwin, envelope: Envelope) -> list[AnyEvent]:
    if state.tenant.status == "absent":
        return [refuse(state, command, envelope, TWIN_UNKNOWN)]
    return [
        TwinRetired(
            *head(state, command, envelope),
            command.reason,
            envelope.actor,
        ),
        *session.end_all(state.sessions, "twin_retired", envelope.now_us),
    ]


# -- The gate -----------------------------------------------------------------


def why_no_sample(state: State, command: AuthorizeCall) -> _Why | None:
    """Say why a calibration call may not be made now, or None when it may."""
    refusal = tenant.why_no_sample(state.tenant)
    if refusal is not None:
        return refusal, {}
    calibration = state.twin.calibration
    if calibration is None:
        return NOT_CALIBRATING, {}
    odd = twin.odd_call(calibration, command)
    if odd is not None:
        return CALL_IS_NO_SAMPLE, {"field": odd[0], "rule": odd[1]}
    if twin.calls_left(calibration) <= 0:
        samples = twin.usable_samples(calibration)
        return SAMPLES_EXHAUSTED, {"samples": samples, "calls": len(calibration.calls)}
    return None


COMMANDS: Final[Decisions] = {
    SetIdentity: (set_identity, IdentityDrafted),
    SetPurpose: (set_purpose, PurposeSet),
    RefineTwin: (refine, IdentityRefined),
    BeginCalibration: (begin_calibration, CalibrationBegun),
    RecordSample: (record_sample, SampleRecorded),
    SignOffTwin: (sign_off, TwinSignedOff),
    RetireTwin: (retire, TwinRetired),
}
