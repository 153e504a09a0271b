"""Who is made to wait by the gate is told for how long, before the wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from contracts.replies import Decision
from contracts.stream import ConversationEvent, Throttled

_US_PER_MS: Final = 1_000
Emit: TypeAlias = Callable[[ConversationEvent], Awaitable[None]]


async def announce(emit: Emit, turn: str, decision: Decision) -> None:
    """Say that the turn *turn* goes on later, if *decision* delays its call."""
    if decision.delay_us:
        await emit(Throttled(turn=turn, delay_ms=-(-decision.delay_us // _US_PER_MS)))
