"""Folding a tenant's log back to state: from the beginning, or from a snapshot on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import NamedTuple, Protocol

import structlog

from contracts.commit import AnyEvent, CommitLine
from domain import gate
from domain.state import State
from services.eventstore.wire import Recorded
from services.sealing.wrapped_keys import KeyErased, KeyMissing
from services.tenant_log.codec import GENESIS, Link, follow, hash_of, open_commit
from services.tenant_log.snapshots import Restored, open_snapshot

_log = structlog.get_logger()


class LogReader(Protocol):
    """Reads one tenant's log in batches, oldest first."""

    def read(self, originator_id: str, *, after_seq: int = 0) -> AsyncIterator[list[Recorded]]:
        """Yield everything after a stream sequence that is stored when the call begins."""
        ...


class Keys(Protocol):
    """Where a tenant's data keys come from."""

    async def get(self, tenant: str, version: int) -> bytes:
        """Return the key; raises KeyMissing or KeyErased."""
        ...


class Snapshots(Protocol):
    """Where snapshots come from."""

    async def find(self, tenant: str) -> tuple[bytes, int] | None:
        """Return the sealed snapshot and its key version, or None."""
        ...


class Folded(NamedTuple):
    """A state, the chain's last link, and the stream sequence of the last commit."""

    state: State
    link: Link
    last_seq: int
    commits: int
    events: int


class Commit(NamedTuple):
    """One opened commit of a log."""

    seq: int
    line: CommitLine
    link: Link
    events: list[AnyEvent]


async def commits(
    tenant: str, reader: LogReader, keys: Keys, *, link: Link = GENESIS, after_seq: int = 0
) -> AsyncIterator[Commit]:
    """Yield a tenant's commits after *link*, chain checked, opened. Raises BrokenLog."""
    async for batch in reader.read(tenant, after_seq=after_seq):
        for recorded in batch:
            line, head, box = follow(tenant, link, recorded.state)
            key = await keys.get(tenant, line.key_version)
            link = Link(line.index, hash_of(recorded.state))
            yield Commit(recorded.seq, line, link, open_commit(line, head, box, key))


async def fold(
    tenant: str,
    reader: LogReader,
    keys: Keys,
    snapshots: Snapshots | None = None,
    *,
    until: Callable[[CommitLine], bool] | None = None,
) -> Folded:
    """
    Return a tenant's state as the log has it now.

    *until* says of a commit whether it is already past what is wanted; a snapshot is not used
    then. A snapshot that turns out not to belong to this log is ignored.
    """
    snapshot = None
    if snapshots is not None and until is None:
        snapshot = await _find_snapshot(tenant, reader, keys, snapshots)
    if snapshot is None:
        state, link, seq = State(tenant), GENESIS, 0
    else:
        state, link, seq = snapshot.state, snapshot.link, snapshot.seq
    count = events = 0
    async for commit in commits(tenant, reader, keys, link=link, after_seq=seq):
        if until is not None and until(commit.line):
            break
        state.position = commit.line.index
        for event in commit.events:
            gate.evolve(state, event)
        link, seq = commit.link, commit.seq
        count += 1
        events += len(commit.events)
    return Folded(state, link, seq, count, events)


async def _find_snapshot(
    tenant: str, reader: LogReader, keys: Keys, snapshots: Snapshots
) -> Restored | None:
    found = await snapshots.find(tenant)
    if found is None:
        return None
    box, key_version = found
    try:
        key = await keys.get(tenant, key_version)
    except (KeyMissing, KeyErased) as problem:
        _log.warning("snapshot_unusable", tenant=tenant, reason=str(problem))
        return None
    snapshot = open_snapshot(tenant, box, key, key_version)
    if snapshot is None or not await _stands_on(tenant, reader, snapshot):
        return None
    return snapshot


async def _stands_on(tenant: str, reader: LogReader, snapshot: Restored) -> bool:
    """Whether the commit that the snapshot names is the one in the log."""
    async for batch in reader.read(tenant, after_seq=snapshot.seq - 1):
        first = batch[0]
        if first.seq == snapshot.seq and hash_of(first.state) == snapshot.link.commit_hash:
            return True
        break
    _log.warning("snapshot_unusable", tenant=tenant, reason="it stands on another log")
    return False
