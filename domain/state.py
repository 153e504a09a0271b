"""
All that one tenant's decisions depend on, held by its one writer.

State is updated in place by `evolve`, and never by `decide`: see `domain.budget` for the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from contracts.budget import NO_STANDING, Standing
from contracts.commands import AnyCommand
from contracts.commit import AnyEvent
from contracts.prompt import PromptSaved
from contracts.topics import TopicsSet
from domain import (
    access,
    account,
    budget,
    data_key,
    deployment,
    flood,
    knowledge,
    memory,
    policy,
    price_book,
    rate,
    secret,
    session,
    tenant,
    twin,
    versions,
)

# To be raised when the same shape of State comes to mean something else.
MEANING: Final = 1


class State(msgspec.Struct, array_like=True):
    """
    All that one tenant's decisions depend on.

    *position* is the commit being folded or, after it, the last one. *decisions* counts recorded
    decisions; *clock_us* is the latest time that an event has: decisions never go before it.
    *bundle_revision* is the decision that last changed what agents get.
    """

    name: str
    position: int = 0
    decisions: int = 0
    clock_us: int = 0
    tenant: tenant.State = msgspec.field(default_factory=tenant.State)
    policy: policy.State = msgspec.field(default_factory=policy.State)
    prices: price_book.State = msgspec.field(default_factory=price_book.State)
    budget: budget.State = msgspec.field(default_factory=budget.State)
    rate: rate.State = msgspec.field(default_factory=rate.State)
    sessions: session.State = msgspec.field(default_factory=session.State)
    memory: memory.State = msgspec.field(default_factory=memory.State)
    flood: flood.State = msgspec.field(default_factory=flood.State)
    access: access.State = msgspec.field(default_factory=access.State)
    account: account.State = msgspec.field(default_factory=account.State)
    prompts: versions.State[PromptSaved] = msgspec.field(
        default_factory=versions.State[PromptSaved]
    )
    topics: versions.State[TopicsSet] = msgspec.field(default_factory=versions.State[TopicsSet])
    bundle_revision: int = 0
    twin: twin.State = msgspec.field(default_factory=twin.State)
    deployments: deployment.State = msgspec.field(default_factory=deployment.State)
    knowledge: knowledge.State = msgspec.field(default_factory=knowledge.State)
    secrets: secret.State = msgspec.field(default_factory=secret.State)
    data_key: data_key.State = msgspec.field(default_factory=data_key.State)


class Envelope(NamedTuple):
    """
    What surrounds a command: *fingerprint* is a digest of its payload, *now_us* the time.

    *sealed* is a secret that was in the command, and *key_version* the newest version of the data
    key, which seals it; *last_four* are its last characters, where it is long enough to show them.
    """

    fingerprint: bytes
    now_us: int
    actor: str
    sealed: bytes = b""
    key_version: int = 1
    last_four: str = ""


Decide: TypeAlias = Callable[[State, Any, Envelope], list[AnyEvent]]
# How each command of a noun is decided, and the event that says that it was granted.
Decisions: TypeAlias = Mapping[type[AnyCommand], tuple[Decide, type[AnyEvent]]]


def head(state: State, command: AnyCommand, envelope: Envelope) -> tuple[int, str, bytes, int]:
    """Return what a decision's event begins with: its number, the command, and the time."""
    return state.decisions + 1, command.command_id, envelope.fingerprint, envelope.now_us


def standing_now(state: State) -> Standing:
    """Return the money of the current month as it stands."""
    if state.policy.terms is None:
        return NO_STANDING
    return budget.standing(state.budget, state.policy.terms.limit_nanos)


@cache
def layout() -> int:
    """
    Return a number that changes with the shape and the meaning of `State`.

    A snapshot of another layout is of no use; the log is, always.
    """
    shape = msgspec.json.encode(msgspec.json.schema(State), order="deterministic")
    digest = blake2b(shape + bytes([MEANING]), digest_size=7).digest()
    return int.from_bytes(digest, "big")
