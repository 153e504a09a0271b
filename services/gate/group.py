"""What becomes one commit of a tenant: its events, and who waits for it."""

from __future__ import annotations

from typing import Final

import msgspec

from contracts.budget import CallAuthorized, CallSettled
from contracts.bundle import BundleView
from contracts.commit import AnyEvent
from contracts.session import SessionNotice
from services.gate.waiter import Waiter

# Events that are not measured one by one, because there are so many: at most this without their
# `vendor_ref`, of which each character may take four bytes.
_HOT_EVENT_BYTES_MAX: Final = 900

_encode = msgspec.msgpack.Encoder().encode


class Group(msgspec.Struct):
    """The events of one commit in the making, and who waits for it."""

    index: int
    noun: str
    events: list[AnyEvent] = []
    command_ids: list[str] = []
    waiters: list[Waiter] = []
    bytes_guess: int = 0
    # The state just after this commit, encoded, when a snapshot is due.
    frozen_state: bytes | None = None
    # What agents get just after this commit, when it changes that.
    bundle: BundleView | None = None
    # What whoever runs sessions is told just after it.
    sessions: SessionNotice | None = None


def size_guess(events: list[AnyEvent]) -> int:
    """Return at least as many bytes as the events take when they are encoded."""
    first = events[0]
    if len(events) == 1 and isinstance(first, CallAuthorized):
        return _HOT_EVENT_BYTES_MAX
    if len(events) == 1 and isinstance(first, CallSettled):
        return _HOT_EVENT_BYTES_MAX + 4 * len(first.vendor_ref)
    return len(_encode(events))
