"""
What the pure core costs, without any server: decide and answer one call, replay a log.

Each figure is processor time, the best of many short rounds: others on the machine only ever add.
The garbage collector is frozen, as it is in the worker after start.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from hashlib import blake2b
from time import thread_time
from typing import TypeVar

import msgspec

from contracts.budget import AuthorizeCall, SettleCall
from contracts.commands import AnyCommand
from contracts.commit import AnyEvent, decode_events, encode_events
from contracts.message import Modality
from contracts.policy import BudgetPolicy, Policy, RatePolicy
from contracts.price_book import Price, PriceBook, PriceEntry, Provenance
from contracts.tenant import ProvisionTenant
from contracts.usage import Usage
from domain import gate
from domain.answer import answer
from domain.memory import Decided
from domain.state import Envelope, State

TENANT = "bench"
START_US = 1_790_000_000_000_000
CALLS = 2_000
ROUNDS = 15
EVENTS_PER_COMMIT = 200
# About this many calls are open at once, as with 256 in flight that take a second each.
OPEN_CALLS = 256

_NO_STATE = State("")
_Item = TypeVar("_Item")


class Figures(msgspec.Struct, frozen=True):
    """Microseconds for one call or one event; *replay_events_per_s* is decode and evolve."""

    decode_command_us: float
    decide_us: float
    evolve_us: float
    answer_us: float
    decode_event_us: float
    replay_events_per_s: float
    snapshot_ms: float
    restore_ms: float
    bytes_per_event: float


def measure(calls: int = CALLS, rounds: int = ROUNDS) -> Figures:
    """Measure the core on a log of authorisations and settlements. Takes a few seconds."""
    log = record(calls)
    commits = [
        encode_events(log[i : i + EVENTS_PER_COMMIT]) for i in range(0, len(log), EVENTS_PER_COMMIT)
    ]
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        return _measure(log, commits, calls, rounds)
    finally:
        gc.enable()
        gc.unfreeze()


def record(calls: int) -> list[AnyEvent]:
    """Make a log: *calls* authorised, and settled when 256 later ones were."""
    state = State(TENANT)
    log = _run(state, provision(), START_US)
    for number in range(calls):
        now_us = START_US + number * 100
        log += _run(state, call(number), now_us)
        if number >= OPEN_CALLS:
            log += _run(state, settlement(number - OPEN_CALLS), now_us)
    return log


def _measure(log: list[AnyEvent], commits: list[bytes], calls: int, rounds: int) -> Figures:
    raw = [msgspec.json.encode(call(number)) for number in range(calls)]
    read = msgspec.json.Decoder(AuthorizeCall).decode
    commands = [read(data) for data in raw]
    asked = [(c, _envelope(c, START_US + 1_000_000 + i)) for i, c in enumerate(commands)]
    ready = _fold(log[: len(log) // 2])
    decided: list[Decided] = [e for e in log if isinstance(e, Decided)]
    folded = _fold(log)
    frozen = msgspec.msgpack.encode(folded)
    count = len(log)

    def decide(command: AuthorizeCall, envelope: Envelope) -> None:
        gate.known(ready, command, envelope)
        gate.due(ready, envelope.now_us)
        gate.decide(ready, command, envelope)

    def replay(state: State, body: bytes) -> None:
        state.position += 1
        for event in decode_events(body):
            gate.evolve(state, event)

    replay_s = _best(rounds, commits, replay, lambda: State(TENANT), chunk=1)
    return Figures(
        decode_command_us=_best(rounds, raw, lambda _, data: read(data)) / calls * 1e6,
        decide_us=_best(rounds, asked, lambda _, pair: decide(*pair)) / calls * 1e6,
        evolve_us=_best(rounds, log, gate.evolve, lambda: State(TENANT)) / count * 1e6,
        answer_us=_best(
            rounds, decided, lambda _, event: msgspec.json.encode(answer(TENANT, event, 1))
        )
        / len(decided)
        * 1e6,
        decode_event_us=_best(rounds, commits, lambda _, body: decode_events(body), chunk=1)
        / count
        * 1e6,
        replay_events_per_s=count / replay_s,
        snapshot_ms=_best(rounds, [folded], lambda _, state: msgspec.msgpack.encode(state)) * 1e3,
        restore_ms=_best(rounds, [frozen], lambda _, data: msgspec.msgpack.decode(data, type=State))
        * 1e3,
        bytes_per_event=sum(map(len, commits)) / count,
    )


def _best(
    rounds: int,
    items: Sequence[_Item],
    action: Callable[[State, _Item], object],
    fresh: Callable[[], State] = lambda: _NO_STATE,
    *,
    chunk: int = 100,
) -> float:
    """
    Return the seconds that *action* takes for all *items*, from the best round of each chunk.

    A chunk is shorter than a time slice, so that a busy machine spoils some rounds of it, not all.
    """
    starts = range(0, len(items), chunk)
    best_s = [float("inf")] * len(starts)
    for _ in range(rounds):
        state = fresh()
        for number, start in enumerate(starts):
            part = items[start : start + chunk]
            began = thread_time()
            for item in part:
                action(state, item)
            best_s[number] = min(best_s[number], thread_time() - began)
    return sum(best_s)


def _fold(log: list[AnyEvent]) -> State:
    state = State(TENANT)
    for event in log:
        gate.evolve(state, event)
    return state


def _run(state: State, command: AnyCommand, now_us: int) -> list[AnyEvent]:
    events = gate.due(state, now_us)
    for event in events:
        gate.evolve(state, event)
    decided = gate.decide(state, command, _envelope(command, now_us))
    for event in decided:
        gate.evolve(state, event)
    return events + decided


def _envelope(command: AnyCommand, now_us: int) -> Envelope:
    digest = blake2b(msgspec.msgpack.encode(command), digest_size=8).digest()
    return Envelope(digest, now_us, "bench")


def call(number: int) -> AuthorizeCall:
    """One call as a service asks for it."""
    return AuthorizeCall(
        command_id=f"c{number:08d}-1b2f-4c77-9d3e",
        modality="text",
        provider_id="openai",
        sku="gpt-4o-mini",
        estimate=Usage(input_tokens=374 + number % 100, output_tokens=44, turns=1),
        session_id=f"s{number % 50}",
    )


def settlement(number: int) -> SettleCall:
    """The settlement of `call(number)`: decisions alternate once calls begin to be settled."""
    # Decision 1 provisions; from the call after the first 256 on, each is followed by a settlement.
    granted = number + 2 if number <= OPEN_CALLS else 2 * number - OPEN_CALLS + 2
    return SettleCall(
        command_id=f"s{number:08d}-1b2f-4c77-9d3e",
        reservation_id=f"{TENANT}.{granted}",
        usage=Usage(input_tokens=374, output_tokens=40, turns=1),
        vendor_ref=f"chatcmpl-{number:08d}",
    )


def provision() -> ProvisionTenant:
    """A twin that grants everything that is asked here."""
    provenance = Provenance(source="https://example.com/prices", retrieved_on="2026-01-01")
    modality: Modality = "text"
    entry = PriceEntry(
        provider_id="openai",
        sku="gpt-4o-mini",
        modality=modality,
        prices={
            "input_tokens": Price(150_000_000, 1_000_000),
            "output_tokens": Price(600_000_000, 1_000_000),
        },
        provenance=provenance,
    )
    return ProvisionTenant(
        command_id="provision",
        display_name="Bench",
        organisation="Bench",
        policy=Policy(
            rate=RatePolicy(requests=1_000_000, burst=1_000_000),
            budget=BudgetPolicy(monthly_hard_limit_nanos=9_000_000_000_000_000),
            modalities=["video", "voice", "text"],
            ladder=["video", "voice", "text"],
        ),
        price_book=PriceBook(entries=[entry]),
        activation="immediate",
    )
