"""
Versions: a document of which every save is kept, and one version is in force.

Going back to a version must be instant, so the state holds their contents: all that fit into 4 MB
and 1,000 versions, the newest first, and always the one in force. That is 500 prompts of 8 kB.
An older one is refused with what to do: save its content again, which the log and the tables keep
for ever. (Refusing to *save* at the bound instead would end the editing of a twin for good.)
"""

from __future__ import annotations

from typing import Final, Generic, TypeAlias, TypeVar

import msgspec

from contracts.prompt import PromptSaved
from contracts.topics import TopicsSet
from domain.refusals import (
    ALREADY_IN_FORCE,
    VERSION_CONFLICT,
    VERSION_NOT_KEPT,
    VERSION_UNKNOWN,
    Refusal,
)

KEPT_BYTES_MAX: Final = 4_000_000
KEPT_MAX: Final = 1_000

Saved = TypeVar("Saved", PromptSaved, TopicsSet)
WhyNot: TypeAlias = tuple[Refusal, dict[str, int | str]]


class State(msgspec.Struct, Generic[Saved], array_like=True):
    """*latest* and *active* are versions, 0: none. *kept* are the events that saved them."""

    latest: int = 0
    active: int = 0
    active_since_us: int = 0
    active_by: str = ""
    kept: dict[int, Saved] = {}
    kept_bytes: int = 0
    active_decision: int = 0


def why_not_saved(state: State[Saved], expected: int, base: int | None) -> WhyNot | None:
    """Say why no version may be saved by an editor whose latest is *expected*."""
    if expected != state.latest:
        # The latest is always kept.
        saver = state.kept[state.latest].actor if state.latest else ""
        return VERSION_CONFLICT, {"current_version": state.latest, "saved_by": saver}
    if base is not None and base > state.latest:
        return VERSION_UNKNOWN, {"field": "base_version", "latest_version": state.latest}
    return None


def why_not_in_force(state: State[Saved], version: int, expected: int | None) -> WhyNot | None:
    """Say why *version* may not be put in force in place of *expected* (None: of any)."""
    if version > state.latest:
        return VERSION_UNKNOWN, {"field": "version", "latest_version": state.latest}
    if expected is not None and expected != state.active:
        return VERSION_CONFLICT, {"active_version": state.active, "active_by": state.active_by}
    if version == state.active:
        return ALREADY_IN_FORCE, {"active_version": state.active, "active_by": state.active_by}
    if version not in state.kept:
        return VERSION_NOT_KEPT, {"kept_from": kept_from(state)}
    return None


def kept_from(state: State[Saved]) -> int:
    """Return the oldest version that can be put in force at once; 0 when there is none."""
    return min(state.kept, default=0)


def saved(state: State[Saved], event: Saved) -> None:
    """Keep a new version, and drop the oldest ones that do not fit any more."""
    state.latest = event.version
    state.kept[event.version] = event
    state.kept_bytes += _size(event)
    for version in list(state.kept):
        if state.kept_bytes <= KEPT_BYTES_MAX and len(state.kept) <= KEPT_MAX:
            break
        if version not in (state.active, state.latest):
            state.kept_bytes -= _size(state.kept.pop(version))


def put_in_force(
    state: State[Saved], version: int, *, at_us: int, actor: str, decision: int
) -> None:
    """Let *version* be the active one."""
    state.active = version
    state.active_since_us = at_us
    state.active_by = actor
    state.active_decision = decision


def _size(event: Saved) -> int:
    return len(msgspec.msgpack.encode(event))
