"""
Bundle: what an agent may know of its twin, put together from all that governs it.

Whoever adds to it adds a field to `contracts.bundle.BundleContent`, fills it in `content`, and puts
the events that change it into CHANGES; the gate then pushes it to running agents by itself.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec

from contracts.bundle import (
    BundleContent,
    BundleView,
    LiveDna,
    LiveIdentity,
    LivePrompt,
    LivePurpose,
    LiveSource,
    LiveTopics,
)
from contracts.commit import AnyEvent
from contracts.knowledge import SourceApproved, SourceRetired
from contracts.prompt import PromptActivated, PromptRolledBack
from contracts.topics import TopicsRolledBack, TopicsSet
from contracts.twin import PurposeSet, TwinSignedOff
from domain import topics
from domain.state import State

CHANGES: Final[frozenset[type[AnyEvent]]] = frozenset(
    (
        PromptActivated,
        PromptRolledBack,
        TopicsSet,
        TopicsRolledBack,
        TwinSignedOff,
        PurposeSet,
        SourceApproved,
        SourceRetired,
    )
)
# The nouns whose commits may have such events; others need not be looked through.
NOUNS: Final = frozenset(("prompt", "topics", "twin", "knowledge"))


def is_changed_by(events: list[AnyEvent]) -> bool:
    """Whether one of *events* changes what agents get."""
    return any(type(event) in CHANGES for event in events)


def content(state: State) -> BundleContent:
    """Put together what is in force."""
    return BundleContent(
        prompt=_live_prompt(state),
        dna=_live_dna(state),
        topics=LiveTopics(version=state.topics.active, topics=topics.in_force(state)),
        knowledge=[
            LiveSource(
                source=name,
                title=one.title,
                content_hash=one.approved_hash,
                approved_at_us=one.approved_at_us,
            )
            for name, one in sorted(state.knowledge.sources.items())
            if one.approved_hash
        ],
    )


def _live_prompt(state: State) -> LivePrompt | None:
    live = state.prompts.kept.get(state.prompts.active)
    if live is None:
        return None
    return LivePrompt(version=live.version, text=live.text, variables=live.variables)


def _live_dna(state: State) -> LiveDna | None:
    identity, purpose = _live_identity(state), _live_purpose(state)
    return LiveDna(identity=identity, purpose=purpose) if identity or purpose else None


def _live_identity(state: State) -> LiveIdentity | None:
    live = state.twin.live
    if live.identity is None:
        return None
    return LiveIdentity(version=live.version, identity=live.identity, refinement=live.refinement)


def _live_purpose(state: State) -> LivePurpose | None:
    purpose = state.twin.purpose
    return None if purpose is None else LivePurpose(version=state.twin.purposes, purpose=purpose)


def bundle_view(state: State, _now_us: int) -> BundleView:
    """Show the bundle in force."""
    whole = content(state)
    return BundleView(
        tenant=state.name,
        position=state.position,
        revision=state.bundle_revision,
        hash=hash_of(whole),
        content=whole,
    )


def hash_of(whole: BundleContent) -> str:
    """Return the SHA-256 of the content as JSON with sorted keys, without white space, in hex."""
    return sha256(msgspec.json.encode(whole, order="sorted")).hexdigest()


def notice(bundle: BundleView) -> BundleView:
    """Return the bundle without its content: which one is current."""
    return msgspec.structs.replace(bundle, content=None)
