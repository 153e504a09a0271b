"""
Twin: its DNA in versions, and the mirror test that a version of the identity must pass.

    draft --begin--> round of three samples --record, record, record--> --sign off--> live

Whatever makes a new draft, a refinement of pitch or speed included, ends the round: what the Owner
signs is exactly what the samples show. The live version stays live until another is signed off.

A round grants at most three samples at once. One that came to nothing (released, failed, cut off,
expired) may be tried again, but a round never grants more than `CALLS_MAX` calls of at most
`SAMPLE_MS_MAX` each: a calibration must not become a stream that nobody has signed off.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from contracts.budget import (
    AuthorizeCall,
    CallAuthorized,
    CallSettled,
    HoldReleased,
    HoldsExpired,
)
from contracts.message import Modality
from contracts.policy import Policy
from contracts.twin import (
    SAMPLES,
    CalibrationBegun,
    Identity,
    IdentityDrafted,
    IdentityRefined,
    Purpose,
    PurposeSet,
    Refinement,
    SampleRecorded,
    TwinSignedOff,
)

CALLS_MAX: Final = 9
SAMPLE_MS_MAX: Final = 60_000
SAMPLE_TEXT_MAX: Final = 4_000
SAMPLE_REQUESTS_MAX: Final = 1
# In what a twin can be seen or heard, dearest first: that is what the samples must show.
_SHOWN_IN: Final[tuple[Modality, ...]] = ("video", "voice", "text")

Outcome: TypeAlias = Literal["open", "settled", "recorded", "lost"]


class Draft(msgspec.Struct, frozen=True, array_like=True):
    """One version of the identity. Version 0: there is none."""

    version: int = 0
    identity: Identity | None = None
    refinement: Refinement = Refinement()
    drafted_by: str = ""
    drafted_at_us: int = 0
    signed_off_by: str = ""
    signed_off_at_us: int = 0


NONE: Final = Draft()


class Calibration(msgspec.Struct, array_like=True):
    """
    One calibration. *calls* are those granted in it, by reservation, and what became of each.

    *samples* are the recorded ones in order, each with its reference.
    """

    number: int
    version: int
    modality: Modality
    provider_id: str
    sku: str
    calls: dict[int, Outcome] = {}
    samples: dict[int, str] = {}


class State(msgspec.Struct, array_like=True):
    """The DNA. *versions*, *purposes* and *calibrations* are the latest numbers that were given."""

    versions: int = 0
    live: Draft = NONE
    draft: Draft = NONE
    purposes: int = 0
    purpose: Purpose | None = None
    purpose_by: str = ""
    purpose_at_us: int = 0
    calibrations: int = 0
    calibration: Calibration | None = None


def shown_in(rules: Policy) -> Modality | None:
    """Return the modality of the samples: the dearest in which the twin may appear at all."""
    return next((one for one in _SHOWN_IN if one in rules.modalities), None)


def usable_samples(calibration: Calibration) -> int:
    """Count the calls of a round that are samples, or may still become some."""
    return sum(outcome != "lost" for outcome in calibration.calls.values())


def calls_left(calibration: Calibration) -> int:
    """How many calls the round may still grant now."""
    return min(SAMPLES - usable_samples(calibration), CALLS_MAX - len(calibration.calls))


def latest(state: State) -> Draft:
    """Return what an edit starts from: the draft, or else the live version."""
    return state.draft if state.draft.version else state.live


def odd_call(calibration: Calibration, command: AuthorizeCall) -> tuple[str, str] | None:
    """Return which field of a calibration call is not the round's, and its rule."""
    estimate = command.estimate
    wanted = f"the round's {calibration.modality}, {calibration.provider_id}/{calibration.sku}"
    rules = (
        ("modality", command.modality == calibration.modality, wanted),
        ("provider_id", command.provider_id == calibration.provider_id, wanted),
        ("sku", command.sku == calibration.sku, wanted),
        ("fallbacks", not command.fallbacks, "none: a cheaper modality is no sample"),
        ("estimate.stream_ms", estimate.stream_ms <= SAMPLE_MS_MAX, f"at most {SAMPLE_MS_MAX}"),
        (
            "estimate.requests",
            estimate.requests <= SAMPLE_REQUESTS_MAX,
            f"at most {SAMPLE_REQUESTS_MAX}",
        ),
        (
            "estimate",
            estimate.characters + estimate.input_tokens + estimate.output_tokens <= SAMPLE_TEXT_MAX,
            f"at most {SAMPLE_TEXT_MAX} characters and tokens",
        ),
    )
    return next(((field, rule) for field, holds, rule in rules if not holds), None)


def contradiction(document: Identity | Purpose) -> tuple[str, str] | None:
    """Return which field of a document contradicts the others or is blank, and its rule."""
    if isinstance(document, Identity):
        texts = {"tone": document.tone, "pacing": document.pacing}
        seen: set[str] = set()
        for index, phrase in enumerate(document.signature_phrases):
            field = f"signature_phrases[{index}]"
            if phrase in seen:
                return f"identity.{field}", "each phrase once"
            seen.add(phrase)
            texts[field] = phrase
        return _blank("identity", texts)
    if document.conversion_goal == "other" and not document.goal_note.strip():
        return "purpose.goal_note", "what the goal is, when it is none of the listed ones"
    return _blank(
        "purpose", {"audience": document.audience, "call_to_action": document.call_to_action}
    )


def _blank(name: str, texts: dict[str, str]) -> tuple[str, str] | None:
    return next(
        (
            (f"{name}.{field}", "more than blanks")
            for field, text in texts.items()
            if text.isspace()
        ),
        None,
    )


class Progress(NamedTuple):
    """How far a draft is on its way. *is_live*: the twin is activated, by whatever way."""

    is_live: bool
    has_draft: bool
    has_purpose: bool
    is_calibrating: bool
    samples: int


def progress(state: State, *, is_activated: bool) -> Progress:
    """Return how far the draft is on its way."""
    under_way = state.calibration
    return Progress(
        is_activated,
        bool(state.draft.version),
        state.purpose is not None,
        under_way is not None,
        0 if under_way is None else len(under_way.samples),
    )


def steps(made: Progress, status: str) -> list[tuple[str, str]]:
    """
    Return what is missing, in order, until the draft can go live: each command and why.

    Empty when nothing is being changed, and for a twin that is not there or at its end.
    """
    if status in ("absent", "retired", "erased"):
        return []
    found: list[tuple[str, str]] = []
    if made.has_draft or not made.is_live:
        if not made.has_draft:
            found.append(("twin.set_identity", "The twin has no identity yet."))
        if not made.has_purpose:
            found.append(("twin.set_purpose", "The twin has no purpose yet."))
        if not made.is_calibrating:
            found.append(("twin.begin_calibration", "No samples of the draft are being made."))
        if made.samples < SAMPLES:
            told = f"{made.samples} of {SAMPLES} samples are recorded."
            found.append(("twin.record_sample", told))
        found.append(("twin.sign_off", "The Owner has not signed the draft off."))
    if status in ("suspended", "asleep"):
        found.append(("tenant.resume", f"The twin is {status}."))
    return found


# -- evolve -------------------------------------------------------------------


def drafted(state: State, event: IdentityDrafted | IdentityRefined) -> None:
    """Make a new draft; the samples of the one before show something else."""
    state.versions = event.version
    state.draft = Draft(event.version, event.identity, event.refinement, event.actor, event.at_us)
    state.calibration = None


def purpose_set(state: State, event: PurposeSet) -> None:
    """Put a purpose in force."""
    state.purposes, state.purpose = event.version, event.purpose
    state.purpose_by, state.purpose_at_us = event.actor, event.at_us


def calibration_begun(state: State, event: CalibrationBegun) -> None:
    """Begin a round; calls of the one before are no samples any more."""
    state.calibrations = event.calibration
    state.calibration = Calibration(
        event.calibration, event.version, event.modality, event.provider_id, event.sku
    )


def call_authorized(calibration: Calibration, event: CallAuthorized) -> None:
    """Count a granted sample."""
    calibration.calls[event.decision] = "open"


def call_settled(calibration: Calibration, event: CallSettled) -> None:
    """Note whether a sample was made; one that comes late counts while there is room for it."""
    outcome = calibration.calls.get(event.reservation)
    if outcome is None:
        return
    is_made = event.outcome == "completed" and (
        outcome == "open" or (event.late and usable_samples(calibration) < SAMPLES)
    )
    calibration.calls[event.reservation] = "settled" if is_made else "lost"


def hold_released(calibration: Calibration, event: HoldReleased) -> None:
    """Make room for another try."""
    _lose(calibration, event.reservation)


def holds_expired(calibration: Calibration, event: HoldsExpired) -> None:
    """Make room for another try, for each sample that was never settled."""
    for hold in event.holds:
        _lose(calibration, hold.reservation)


def _lose(calibration: Calibration, reservation: int) -> None:
    if reservation in calibration.calls:
        calibration.calls[reservation] = "lost"


def sample_recorded(state: State, event: SampleRecorded) -> None:
    """Put a sample before the reviewer."""
    if state.calibration is not None:
        state.calibration.calls[event.reservation] = "recorded"
        state.calibration.samples[event.reservation] = event.reference


def signed_off(state: State, event: TwinSignedOff) -> None:
    """Make the draft the live version."""
    state.live = msgspec.structs.replace(
        state.draft, signed_off_by=event.actor, signed_off_at_us=event.at_us
    )
    state.draft, state.calibration = NONE, None
