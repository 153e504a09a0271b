"""Data key: which version of it seals what is new, as the log knows."""

from __future__ import annotations

from typing import Final

import msgspec

from contracts.data_key import DataKeyRotated

VERSIONS_MAX: Final = 10_000
# Between two rotations, so that nobody uses all versions up in an hour.
PAUSE_US: Final = 60_000_000


class State(msgspec.Struct, array_like=True):
    """*version* is the last that the log tells of, since *rotated_us*; the first goes untold."""

    version: int = 1
    rotated_us: int = 0


def evolve(state: State, event: DataKeyRotated) -> None:
    """Take note of a new version."""
    state.version = event.version
    state.rotated_us = event.at_us
