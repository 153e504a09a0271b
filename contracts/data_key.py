"""
A tenant's data key: what seals its log, its snapshots and its secrets.

    rotate   new commits are sealed with a new version; the older ones still open what they sealed
    rewrap   every version is wrapped with the deployment's current key; the log does not change
"""

from __future__ import annotations

from typing import TypeAlias

from contracts.message import Command, Event, UnixUs

# -- Commands ----------------------------------------------------------------


class RotateDataKey(Command, frozen=True, kw_only=True):
    """Seal everything new with a new version of the twin's data key."""


class RewrapDataKey(Command, frozen=True, kw_only=True):
    """
    Wrap every version of the twin's data key with the current key of the deployment.

    No decision: it changes nothing that the twin is, and is harmless to repeat.
    """


DataKeyCommand: TypeAlias = RotateDataKey | RewrapDataKey

# -- Events ------------------------------------------------------------------


class DataKeyRotated(Event, frozen=True):
    """Version *version* of the data key seals what is new; at the latest the next commit."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    version: int
    actor: str


DataKeyEvent: TypeAlias = DataKeyRotated
