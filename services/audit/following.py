"""
The log as it grows: the last commits first, then every new one as it becomes durable.

Commits are opened, not proved: the chain before the first one shown is not looked at (`verify`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import msgspec

from contracts.commit import AnyEvent, CommitLine, MalformedCommit, split
from services.audit.access import Access
from services.eventstore.store import EventStore
from services.eventstore.wire import Recorded
from services.failure import Failure
from services.sealing.keyring import UnwrapRefused
from services.sealing.wrapped_keys import KeyErased, KeyMissing
from services.tenant_log.codec import BrokenLog, open_commit
from services.tenant_log.replay import Keys

COMMITS_FIRST = 20


class Seen(msgspec.Struct, frozen=True):
    """One commit. *problem* says why it has no events, if it has none."""

    recorded: Recorded
    line: CommitLine | None
    events: list[AnyEvent]
    problem: str = ""


class Start(msgspec.Struct, frozen=True):
    """Where to begin: at a position, at a time, or else with the last *commits*."""

    position: int | None = None
    since_us: int | None = None
    commits: int = COMMITS_FIRST


async def follow(
    access: Access,
    tenant: str | None,
    start: Start,
    show: Callable[[Seen], Awaitable[None]],
) -> None:
    """
    Show commits until cancelled: of one tenant, or of all of them.

    Of several shards, those that are there already come in the order in which they were stored.
    """
    if tenant is not None:
        store = access.store_of(tenant)
        after_seq = await _before(store, tenant, start)
        await _tail(store, tenant, after_seq, access.keys, show)
        return
    if start.position is not None:
        raise Failure("A position is one of a single twin's log.", "name the twin.")
    after = [await _before(store, None, start) for store in access.stores]
    last = await _backlog(access, after, start, show)
    async with asyncio.TaskGroup() as group:
        for store, after_seq in zip(access.stores, last, strict=True):
            group.create_task(_tail(store, None, after_seq, access.keys, show))


async def _tail(
    store: EventStore,
    tenant: str | None,
    after_seq: int,
    keys: Keys,
    show: Callable[[Seen], Awaitable[None]],
) -> None:
    async with store.tail(after_seq, tenant) as tail:
        async for batch in tail:
            for recorded in batch:
                await show(await _open(recorded, keys))


async def _backlog(
    access: Access, after: Sequence[int], start: Start, show: Callable[[Seen], Awaitable[None]]
) -> list[int]:
    """Show what is there already, in one order; return where each stream was left."""
    last = list(after)
    kept: deque[Recorded] = deque(maxlen=start.commits)
    sources = [store.read_stream(seq) for store, seq in zip(access.stores, after, strict=True)]
    async for source, recorded in _in_order(sources):
        last[source] = recorded.seq
        if start.since_us is None:
            kept.append(recorded)
        else:
            await show(await _open(recorded, access.keys))
    for recorded in kept:
        await show(await _open(recorded, access.keys))
    return last


async def _in_order(
    sources: Sequence[AsyncIterator[list[Recorded]]],
) -> AsyncIterator[tuple[int, Recorded]]:
    """Merge streams by the time at which they were stored; a batch of each is in memory."""
    heads: dict[int, deque[Recorded]] = {}
    waiting = set(range(len(sources)))
    while waiting or heads:
        for number in waiting:
            batch = await anext(sources[number], None)
            if batch:
                heads[number] = deque(batch)
        waiting = set()
        if not heads:
            return
        number = min(heads, key=lambda head: heads[head][0].stored_at_us)
        yield number, heads[number].popleft()
        if not heads[number]:
            del heads[number]
            waiting = {number}


async def _before(store: EventStore, tenant: str | None, start: Start) -> int:
    """Return the sequence after which to begin."""
    last = await store.last(tenant)
    if last is None:
        return 0
    if start.since_us is not None:
        since_us = start.since_us
        return await _last_not(store, tenant, last, lambda r: r.stored_at_us >= since_us)
    if tenant is None:
        return max(0, last.seq - start.commits)
    first = last.version - start.commits + 1 if start.position is None else start.position
    return await _last_not(store, tenant, last, lambda r: r.version >= first)


async def _last_not(
    store: EventStore, tenant: str | None, last: Recorded, is_wanted: Callable[[Recorded], bool]
) -> int:
    """Return the sequence just before the first commit that is wanted; all after it are, too."""
    names = store.names
    subject = names.events if tenant is None else names.fence(tenant)
    if not is_wanted(last):
        return last.seq
    low, high = 1, last.seq
    while low < high:
        middle = (low + high) // 2
        found = await store.reader.next(subject, middle)
        if found is None or is_wanted(found):
            high = middle
        else:
            low = found.seq + 1
    return low - 1


async def _open(recorded: Recorded, keys: Keys) -> Seen:
    try:
        line, head, box = split(recorded.state)
    except MalformedCommit as problem:
        return Seen(recorded, None, [], str(problem))
    try:
        key = await keys.get(recorded.originator_id, line.key_version)
        return Seen(recorded, line, open_commit(line, head, box, key))
    except KeyErased:
        return Seen(recorded, line, [], "erased: the key of this twin was destroyed")
    except (KeyMissing, UnwrapRefused) as problem:
        return Seen(recorded, line, [], str(problem))
    except BrokenLog as problem:
        return Seen(recorded, line, [], problem.what)
