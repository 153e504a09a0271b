"""Refusing: a refusal as a fact for the log."""

from __future__ import annotations

import msgspec

from contracts.budget import (
    AuthorizeCall,
    CallAsked,
    CallRefused,
    CommandRefused,
    ExtendCall,
    WayAsked,
)
from contracts.commands import NOUN_AND_VERB, AnyCommand
from contracts.usage import Units
from domain import rate
from domain.refusals import Refusal
from domain.state import Envelope, State, standing_now


class Offer(msgspec.Struct, frozen=True, gc=False):
    """What one way to make a call may cost and count at most."""

    amount_nanos: int
    units: Units


def refuse_call(
    state: State,
    command: AuthorizeCall | ExtendCall,
    envelope: Envelope,
    refusal: Refusal,
    *,
    offer: Offer | None = None,
    slot: rate.Slot | None = None,
    tried: list[tuple[str, Refusal]] | None = None,
    facts: dict[str, int | str] | None = None,
) -> CallRefused:
    found = dict(facts or {})
    if tried and len(tried) > 1:
        found["tried"] = ", ".join(f"{modality}: {why.code}" for modality, why in tried)
    asked = None
    if isinstance(command, ExtendCall):
        verb, requested, provider_id, sku = "extend", "", "", ""
        session_id = _session_of(state, command)
    else:
        asked = as_asked(command)
        verb, requested = "authorize", command.modality
        provider_id, sku = command.provider_id, command.sku
        session_id = command.session_id or ""
    return CallRefused(
        state.decisions + 1,
        command.command_id,
        envelope.fingerprint,
        envelope.now_us,
        verb,
        refusal.code,
        refusal.status,
        requested,
        provider_id,
        sku,
        offer.amount_nanos if offer else 0,
        slot.retry_after_us if slot else 0,
        state.policy.version,
        state.prices.version,
        found,
        standing_now(state),
        session_id,
        asked,
    )


def as_asked(command: AuthorizeCall) -> CallAsked:
    """Return what a call asks for, to be kept with its decision."""
    patience = command.max_delay_ms
    return CallAsked(
        command.provider_id,
        command.sku,
        command.estimate,
        tuple([WayAsked(o.modality, o.provider_id, o.sku, o.estimate) for o in command.fallbacks]),
        -1 if patience is None else patience,
        command.purpose,
    )


def _session_of(state: State, command: ExtendCall) -> str:
    """The session of the hold that was to be extended; of one that is closed nobody knows it."""
    owner, _, digits = command.reservation_id.rpartition(".")
    hold = state.budget.holds.get(int(digits)) if owner == state.name else None
    return "" if hold is None else hold.session_id


def refuse(
    state: State,
    command: AnyCommand,
    envelope: Envelope,
    refusal: Refusal,
    facts: dict[str, int | str] | None = None,
) -> CommandRefused:
    noun, verb = NOUN_AND_VERB[type(command)]
    return CommandRefused(
        state.decisions + 1,
        command.command_id,
        envelope.fingerprint,
        envelope.now_us,
        noun,
        verb,
        refusal.code,
        refusal.status,
        facts or {},
        standing_now(state),
    )
