"""What the list of decisions says of those that shape a twin: its prompt, its topics, its DNA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from contracts.prompt import PromptActivated, PromptRolledBack, PromptSaved
from contracts.topics import TopicsRolledBack, TopicsSet
from contracts.twin import (
    CalibrationBegun,
    IdentityDrafted,
    IdentityRefined,
    PurposeSet,
    SampleRecorded,
    TwinRetired,
    TwinSignedOff,
)

# Noun, verb and code.
SHAPED: Final[Mapping[type, tuple[str, str, str]]] = {
    PromptSaved: ("prompt", "save", "prompt_saved"),
    PromptActivated: ("prompt", "activate", "prompt_activated"),
    PromptRolledBack: ("prompt", "roll_back", "prompt_rolled_back"),
    TopicsSet: ("topics", "set", "topics_set"),
    TopicsRolledBack: ("topics", "roll_back", "topics_rolled_back"),
    IdentityDrafted: ("twin", "set_identity", "identity_drafted"),
    IdentityRefined: ("twin", "refine", "identity_refined"),
    PurposeSet: ("twin", "set_purpose", "purpose_set"),
    CalibrationBegun: ("twin", "begin_calibration", "calibration_begun"),
    SampleRecorded: ("twin", "record_sample", "sample_recorded"),
    TwinSignedOff: ("twin", "sign_off", "signed_off"),
    TwinRetired: ("twin", "retire", "retired"),
}
_ALWAYS: Final = (
    *("version", "base_version", "previous_version", "calibration", "number", "modality"),
    *("provider_id", "sku", "samples"),
)
_IF_SAID: Final = ("note", "reference", "reason")


def shape_facts(event: Any) -> dict[str, Any]:
    """Return what is worth listing of such an event."""
    facts = {name: getattr(event, name) for name in _ALWAYS if hasattr(event, name)}
    return facts | {name: text for name in _IF_SAID if (text := getattr(event, name, ""))}
