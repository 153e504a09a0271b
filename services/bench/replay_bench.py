"""Replaying and verifying a log on one core: chain checked, boxes opened, events folded."""

from __future__ import annotations

import gc
from itertools import pairwise
from time import perf_counter

import msgspec

from contracts.commit import FIRST_PREV, AnyEvent, CommitLine
from domain import gate
from domain.state import State
from services.bench.domain_bench import TENANT, record
from services.tenant_log.codec import (
    GENESIS,
    Link,
    digest_of,
    follow,
    hash_of,
    open_commit,
    seal_commit,
)

CALLS = 40_000
ROUNDS = 3
_KEY = bytes(32)


class ReplayFigures(msgspec.Struct, frozen=True):
    """Events a second; group commits of 256 events, and the worst case of one event each."""

    grouped_events_per_s: float
    single_events_per_s: float


def measure(calls: int = CALLS, rounds: int = ROUNDS) -> ReplayFigures:
    """Replay prepared logs from memory, best of several rounds."""
    events = record(calls)
    grouped, single = _seal(events, 256), _seal(events[: len(events) // 8], 1)
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        return ReplayFigures(
            max(_events_per_s(grouped) for _ in range(rounds)),
            max(_events_per_s(single) for _ in range(rounds)),
        )
    finally:
        gc.enable()
        gc.unfreeze()


def _seal(events: list[AnyEvent], per_commit: int) -> list[bytes]:
    prev, payloads = FIRST_PREV, []
    # The first commit provisions the twin and cannot be taken apart.
    cuts = [0, *range(6, len(events), per_commit), len(events)]
    for index, (start, end) in enumerate(pairwise(cuts), 1):
        part = events[start:end]
        line = CommitLine(TENANT, index, 1, len(part), 1, "bench", digest_of([]), prev)
        payloads.append(seal_commit(line, part, _KEY))
        prev = hash_of(payloads[-1])
    return payloads


def _events_per_s(payloads: list[bytes]) -> float:
    state, link, count = State(TENANT), GENESIS, 0
    began_s = perf_counter()
    for payload in payloads:
        line, head, box = follow(TENANT, link, payload)
        link = Link(line.index, hash_of(payload))
        state.position = line.index
        for event in open_commit(line, head, box, _KEY):
            gate.evolve(state, event)
        count += line.events
    return count / (perf_counter() - began_s)
