"""Access: who may do what with one twin. Its members and their roles, its API keys."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec

from contracts.access import (
    AccessDecision,
    GlassBroken,
    InvitationAccepted,
    InvitationWithdrawn,
    KeyIssued,
    KeyRevoked,
    KeyRotated,
    MemberInvited,
    MemberRemoved,
    Role,
    RoleChanged,
    Scope,
)

MEMBERS_MAX: Final = 500
# Those that have run out do not count: they leave when new ones come.
INVITATIONS_MAX: Final = 100
KEYS_MAX: Final = 100


class Member(msgspec.Struct, array_like=True):
    """A person of the twin; *email* is where they were invited."""

    role: Role
    email: str = ""


class Invitation(msgspec.Struct, array_like=True):
    """An invitation that nobody has accepted yet."""

    email: str
    role: Role
    secret_hash: bytes
    expires_at_us: int


class Key(msgspec.Struct, array_like=True):
    """An API key that may be used until *expires_at_us*; 0 means: until it is revoked."""

    scopes: list[Scope]
    expires_at_us: int = 0
    label: str = ""
    issued_at_us: int = 0


class State(msgspec.Struct, array_like=True):
    """
    *members* by person, *keys* and *invitations* by id.

    *opened*: admins with a broken glass, and until when.
    """

    members: dict[str, Member] = {}
    keys: dict[str, Key] = {}
    opened: dict[str, int] = {}
    invitations: dict[str, Invitation] = {}


def role_of(state: State, person: str) -> Role | None:
    """Return the role of a person, None for somebody who is no member."""
    member = state.members.get(person)
    return None if member is None else member.role


def owners(state: State) -> int:
    """Count the Owners."""
    return sum(member.role == "owner" for member in state.members.values())


def key_at(state: State, key: str, now_us: int) -> Key | None:
    """Return an API key that may be used now."""
    found = state.keys.get(key)
    return None if found is None or is_over(found, now_us) else found


def is_over(key: Key, now_us: int) -> bool:
    """Whether a key has run out."""
    return 0 < key.expires_at_us <= now_us


def has_open_glass(state: State, person: str, now_us: int) -> bool:
    """Whether a super admin has broken the glass, and it has not closed again."""
    return state.opened.get(person, 0) > now_us


def invited_with(state: State, invitation_id: str, secret: str) -> Invitation | None:
    """Return the open invitation that *secret* belongs to. It may have run out."""
    found = state.invitations.get(invitation_id)
    # No need for constant time: who times this learns about a hash, not about the secret.
    is_shown = found is not None and sha256(secret.encode()).digest() == found.secret_hash
    return found if is_shown else None


def evolve(state: State, event: AccessDecision) -> None:  # noqa: C901 - one case for each
    """Apply one fact about who may do what."""
    match event:
        case MemberInvited():
            open_ones = state.invitations
            for name in [n for n, i in open_ones.items() if i.expires_at_us <= event.at_us]:
                del open_ones[name]
            open_ones[event.invitation_id] = Invitation(
                event.email, event.role, event.secret_hash, event.expires_at_us
            )
        case InvitationWithdrawn():
            state.invitations.pop(event.invitation_id, None)
        case InvitationAccepted():
            state.invitations.pop(event.invitation_id, None)
            state.members[event.person] = Member(event.role, event.email)
        case RoleChanged():
            state.members[event.person].role = event.role
        case MemberRemoved():
            state.members.pop(event.person, None)
        case KeyIssued():
            _drop_old_keys(state, event.at_us)
            state.keys[event.key_id] = Key(
                event.scopes, event.expires_at_us, event.label, event.at_us
            )
        case KeyRotated():
            state.keys[event.key_id].expires_at_us = event.old_expires_at_us
            _drop_old_keys(state, event.at_us)
            state.keys[event.new_key_id] = Key(
                event.scopes, event.expires_at_us, event.label, event.at_us
            )
        case KeyRevoked():
            state.keys.pop(event.key_id, None)
        case GlassBroken():
            for person in [p for p, until in state.opened.items() if until <= event.at_us]:
                del state.opened[person]
            state.opened[event.person] = event.until_us


def _drop_old_keys(state: State, now_us: int) -> None:
    for name in [n for n, key in state.keys.items() if is_over(key, now_us)]:
        del state.keys[name]
