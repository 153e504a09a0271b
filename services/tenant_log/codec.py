"""
Commits to stored bytes and back: the clear line, the sealed box, the chain.

The box is bound to its whole line (tenant, index, time, previous hash ...), so that a commit cannot
be moved, relabelled or replayed elsewhere without failing to open.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec

from contracts.commit import (
    FIRST_PREV,
    AnyEvent,
    CommitLine,
    MalformedCommit,
    decode_events,
    encode_events,
    split,
)
from services.sealing.box import BoxRejected, open_box, seal

PURPOSE = b"commit"


class BrokenLog(Exception):
    """
    A tenant's log is not what was written. Says the tenant, the commit index and what is wrong.

    Nothing may be decided on such a log; restore it from a copy.
    """

    def __init__(self, tenant: str, index: int, what: str) -> None:
        super().__init__(f"log of {tenant}, commit {index}: {what}")
        self.tenant = tenant
        self.index = index
        self.what = what


class Link(msgspec.Struct, frozen=True, gc=False):
    """Where a chain has got to: the last commit's index and hash (hex)."""

    index: int
    commit_hash: str


GENESIS = Link(0, FIRST_PREV)


def digest_of(command_ids: list[str]) -> str:
    """32 hex characters that stand for the commands of a commit, in order."""
    return sha256("\n".join(command_ids).encode()).hexdigest()[:32]


def seal_commit(line: CommitLine, events: list[AnyEvent], key: bytes) -> bytes:
    """Return the bytes to store."""
    head = line.encode()
    return b"".join((head, b"\n", seal(key, PURPOSE, (head,), encode_events(events))))


def hash_of(payload: bytes) -> str:
    """Hash the stored bytes, exactly."""
    return sha256(payload).hexdigest()


def follow(tenant: str, link: Link, payload: bytes) -> tuple[CommitLine, bytes, bytes]:
    """
    Take stored bytes apart after checking that they are the commit after *link*.

    Returns the line, its bytes and the sealed box. Raises BrokenLog.
    """
    try:
        line, head, box = split(payload)
    except MalformedCommit as problem:
        raise BrokenLog(tenant, link.index + 1, str(problem)) from problem
    if line.tenant != tenant:
        raise BrokenLog(tenant, link.index + 1, f"it is a commit of {line.tenant}")
    if line.index != link.index + 1:
        raise BrokenLog(tenant, link.index + 1, f"its index is {line.index}")
    if line.prev_hash != link.commit_hash:
        raise BrokenLog(tenant, line.index, "it does not follow the commit before it: hash differs")
    return line, head, box


def open_commit(line: CommitLine, head: bytes, box: bytes, key: bytes) -> list[AnyEvent]:
    """Open a box and decode its events. Raises BrokenLog."""
    try:
        events = decode_events(open_box(key, PURPOSE, (head,), box))
    except (BoxRejected, msgspec.DecodeError) as problem:
        raise BrokenLog(line.tenant, line.index, f"the box does not open: {problem}") from problem
    if len(events) != line.events:
        raise BrokenLog(line.tenant, line.index, f"{len(events)} events, not {line.events}")
    return events
