"""The DNA of a small world's twin: documents, commands and the steps of its mirror test."""

from __future__ import annotations

from contracts.commit import AnyEvent
from contracts.twin import (
    SAMPLES,
    BeginCalibration,
    Identity,
    Purpose,
    RecordSample,
    Refinement,
    RefineTwin,
    SetIdentity,
    SetPurpose,
    SignOffTwin,
)
from tests.domain.world import Twin, policy

SAMPLE_NANOS = 100


def identity(**fields) -> Identity:
    return Identity(
        **{
            "tone": "Euphoric",
            "pacing": "Fast, high energy",
            "language": "es-AR",
            "accent": "Rioplatense Spanish",
            "signature_phrases": ["¡Goooool!"],
            **fields,
        }
    )


def purpose(**fields) -> Purpose:
    return Purpose(
        **{
            "audience": "Soccer fans aged 18-50",
            "conversion_goal": "entertainment",
            "call_to_action": "Download the app!",
            **fields,
        }
    )


def fresh(limit: int = 100_000, **rules) -> Twin:
    """A twin that nobody has signed off."""
    return Twin(policy(limit, **rules), activation="after_sign_off")


def draft(twin: Twin, **fields) -> AnyEvent:
    return twin.decide(SetIdentity(command_id=twin.new_id(), identity=identity(**fields)))


def refine(twin: Twin, pitch: int = 1_100, speed: int = 900) -> AnyEvent:
    return twin.decide(RefineTwin(command_id=twin.new_id(), refinement=Refinement(pitch, speed)))


def aim(twin: Twin, **fields) -> AnyEvent:
    return twin.decide(SetPurpose(command_id=twin.new_id(), purpose=purpose(**fields)))


def begin(twin: Twin, version: int | None = None, sku: str = "video") -> AnyEvent:
    """Begin a calibration of the draft."""
    version = twin.state.twin.draft.version if version is None else version
    return twin.decide(
        BeginCalibration(command_id=twin.new_id(), version=version, provider_id="acme", sku=sku)
    )


def ask(twin: Twin, **fields) -> AnyEvent:
    """Ask for a sample."""
    return twin.authorize(SAMPLE_NANOS, "video", purpose="calibration", **fields)


def record(twin: Twin, grant) -> AnyEvent:
    return twin.decide(
        RecordSample(command_id=twin.new_id(), reservation_id=twin.reservation(grant))
    )


def sample(twin: Twin) -> AnyEvent:
    """Make a sample and record it."""
    grant = ask(twin)
    twin.settle(grant, SAMPLE_NANOS)
    return record(twin, grant)


def sign(twin: Twin, version: int | None = None) -> AnyEvent:
    version = twin.state.twin.draft.version if version is None else version
    return twin.decide(SignOffTwin(command_id=twin.new_id(), version=version))


def calibrated(twin: Twin | None = None) -> Twin:
    """Everything but the signature."""
    twin = twin or fresh()
    draft(twin)
    aim(twin)
    begin(twin)
    for _ in range(SAMPLES):
        sample(twin)
    return twin


def activated(twin: Twin | None = None) -> Twin:
    """Everything, and the signature."""
    twin = calibrated(twin)
    sign(twin)
    return twin
