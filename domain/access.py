"""Access: who may do what with one twin. Its members and their roles, its API keys."""

from __future__ import annotations

import msgspec

from contracts.access import Role, Scope


class Key(msgspec.Struct, array_like=True):
    """An API key that may be used until *expires_at_us*; 0 means: until it is revoked."""

    scopes: list[Scope]
    expires_at_us: int = 0


class State(msgspec.Struct, array_like=True):
    """*members* by person, *keys* by id; *opened*: admins with a broken glass, and until when."""

    members: dict[str, Role] = {}
    keys: dict[str, Key] = {}
    opened: dict[str, int] = {}


def role_of(state: State, person: str) -> Role | None:
    """Return the role of a person, None for somebody who is no member."""
    return state.members.get(person)


def key_at(state: State, key: str, now_us: int) -> Key | None:
    """Return an API key that may be used now."""
    found = state.keys.get(key)
    if found is None or (found.expires_at_us and now_us >= found.expires_at_us):
        return None
    return found
