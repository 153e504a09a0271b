"""
Secrets: what is in a tenant's vault, sealed, and who may open it when.

The domain never sees a value. Who receives `put` and `rotate` takes the value out of the command
and puts a sealed box into the envelope; `open` is decided here, and the box is opened out there.

    put      1* 2* 3        one version can be opened: the newest
    rotate   3~ 4           *3* until its overlap ends, *4* without an end
    revoke   3* 4*          a name without a version that can be opened; put may follow

A box that can be opened no more leaves the state. In the log it stays, sealed: replace what leaked
at the provider as well. A number of a name is given once, so a box fits in one place only.
"""

from __future__ import annotations

from typing import Final

import msgspec

from contracts.secret import (
    SecretOpened,
    SecretPut,
    SecretReopened,
    SecretRevoked,
    SecretRotated,
)

NAMES_MAX: Final = 200
# The newest, and two whose overlap has not ended.
USABLE_MAX: Final = 3
VERSIONS_MAX: Final = 10_000
NAMES_PER_CALL_MAX: Final = 8
# How often one opening is repeated for a client that lost the answer.
REOPENINGS_MAX: Final = 8


class Held(msgspec.Struct, array_like=True):
    """A version that can be opened: for ever (*until_us* 0), or before that time."""

    version: int
    box: bytes
    key_version: int
    at_us: int
    actor: str
    until_us: int = 0
    openings: int = 0
    last_opened_us: int = 0


class Secret(msgspec.Struct, array_like=True):
    """One name: the number of its newest version ever, and those that can be opened, in order."""

    last: int = 0
    held: list[Held] = []


class State(msgspec.Struct, array_like=True):
    """The vault by name, and for each open call what it has opened, and how often again."""

    secrets: dict[str, Secret] = {}
    opened: dict[int, dict[str, int]] = {}


def next_version(state: State, name: str) -> int:
    """Return the number that the next version of a name will have."""
    found = state.secrets.get(name)
    return 1 if found is None else found.last + 1


def find(state: State, name: str, version: int | None, now_us: int) -> Held | None:
    """Return the version if it can be opened now; the newest one that can, without a number."""
    found = state.secrets.get(name)
    for held in reversed(found.held if found else ()):
        if version in (None, held.version) and _is_usable(held, now_us):
            return held
    return None


def held(state: State, name: str, version: int | None) -> Held:
    """Return a version that was found a moment ago; raises KeyError for any other."""
    for one in state.secrets[name].held:
        if one.version == version:
            return one
    raise KeyError(name)


def usable(state: State, name: str, now_us: int) -> list[int]:
    """Return the numbers of the versions that can be opened now."""
    found = state.secrets.get(name)
    return [held.version for held in (found.held if found else ()) if _is_usable(held, now_us)]


def key_versions(state: State) -> set[int]:
    """Return the versions of the data key that the boxes in the vault need."""
    return {held.key_version for found in state.secrets.values() for held in found.held}


def close(state: State, reservation: int) -> None:
    """Forget what a call has opened that is over now."""
    if state.opened:
        state.opened.pop(reservation, None)


def _is_usable(held: Held, now_us: int) -> bool:
    return held.until_us == 0 or now_us < held.until_us


# -- evolve: none of them can refuse --------------------------------------------


def put(state: State, event: SecretPut) -> None:
    found = state.secrets.setdefault(event.name, Secret())
    found.last, found.held = event.version, [_held(event)]


def rotated(state: State, event: SecretRotated) -> None:
    found = state.secrets.setdefault(event.name, Secret())
    found.last = event.version
    for held in found.held:
        if held.version == event.replaced:
            held.until_us = event.replaced_until_us
    found.held = [held for held in found.held if _is_usable(held, event.at_us)]
    found.held.append(_held(event))


def revoked(state: State, event: SecretRevoked) -> None:
    found = state.secrets.get(event.name)
    if found is not None:
        found.held = [held for held in found.held if held.version not in event.versions]


def opened(state: State, event: SecretOpened) -> None:
    state.opened.setdefault(event.reservation, {})[event.name] = 0
    _count(state, event)


def reopened(state: State, event: SecretReopened) -> None:
    names = state.opened.setdefault(event.reservation, {})
    names[event.name] = names.get(event.name, 0) + 1
    _count(state, event)


def _held(event: SecretPut | SecretRotated) -> Held:
    return Held(event.version, event.sealed, event.key_version, event.at_us, event.actor)


def _count(state: State, event: SecretOpened | SecretReopened) -> None:
    found = state.secrets.get(event.name)
    for held in found.held if found else ():
        if held.version == event.version:
            held.openings += 1
            held.last_opened_us = event.at_us
