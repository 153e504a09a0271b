"""API keys: how services of a twin are let in, and how that ends."""

from __future__ import annotations

from typing import Final

from contracts.access import (
    KEY_LASTS_MAX_US,
    IssueKey,
    KeyIssued,
    KeyRevoked,
    KeyRotated,
    RevokeKey,
    RotateKey,
)
from contracts.commit import AnyEvent
from domain import access
from domain.identity_refusals import ACCESS_FULL, EXPIRY_INVALID, ID_TAKEN, KEY_UNKNOWN
from domain.membership import wrong_expiry
from domain.refusal import Refusal
from domain.refusing import refuse
from domain.state import Decisions, Envelope, State, head

_MS: Final = 1_000


def issue(state: State, command: IssueKey, envelope: Envelope) -> list[AnyEvent]:
    """Make a key known."""
    why, facts = _why_not_new(state, command.key_id, command.expires_at_us, envelope)
    if why is not None:
        return [refuse(state, command, envelope, why, facts)]
    return [
        KeyIssued(
            *head(state, command, envelope),
            command.key_id,
            command.label,
            command.scopes,
            command.secret_hash,
            command.expires_at_us or 0,
            envelope.actor,
        )
    ]


def rotate(state: State, command: RotateKey, envelope: Envelope) -> list[AnyEvent]:
    """Put a new key in the place of one that is in use; both are valid for the overlap."""
    old = access.key_at(state.access, command.key_id, envelope.now_us)
    if old is None:
        return [refuse(state, command, envelope, KEY_UNKNOWN)]
    why, facts = _why_not_new(state, command.new_key_id, command.expires_at_us, envelope)
    if why is not None:
        return [refuse(state, command, envelope, why, facts)]
    # A key without an overlap ends now: an expiry is the first moment that it is not valid in.
    ends_us = envelope.now_us + command.overlap_ms * _MS
    return [
        KeyRotated(
            *head(state, command, envelope),
            command.key_id,
            min(ends_us, old.expires_at_us or ends_us),
            command.new_key_id,
            old.label,
            old.scopes,
            command.secret_hash,
            command.expires_at_us or 0,
            envelope.actor,
        )
    ]


def revoke(state: State, command: RevokeKey, envelope: Envelope) -> list[AnyEvent]:
    """End a key at once."""
    if access.key_at(state.access, command.key_id, envelope.now_us) is None:
        return [refuse(state, command, envelope, KEY_UNKNOWN)]
    decided = head(state, command, envelope)
    return [KeyRevoked(*decided, command.key_id, command.reason, envelope.actor)]


def _why_not_new(
    state: State, key_id: str, expires_at_us: int | None, envelope: Envelope
) -> tuple[Refusal | None, dict[str, int | str]]:
    if expires_at_us is not None:
        wrong = wrong_expiry(expires_at_us, envelope.now_us, KEY_LASTS_MAX_US)
        if wrong:
            return EXPIRY_INVALID, wrong
    keys = state.access.keys
    if key_id in keys:
        return ID_TAKEN, {}
    in_use = sum(not access.is_over(key, envelope.now_us) for key in keys.values())
    if in_use >= access.KEYS_MAX:
        return ACCESS_FULL, {"what": "keys", "limit": access.KEYS_MAX}
    return None, {}


COMMANDS: Final[Decisions] = {
    IssueKey: (issue, KeyIssued),
    RotateKey: (rotate, KeyRotated),
    RevokeKey: (revoke, KeyRevoked),
}
