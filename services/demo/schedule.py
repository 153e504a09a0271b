"""
The schedule: whose turn is due when. A pure function of the trace and the speed.

Turns are due whether or not earlier ones have been answered; that is what an audience does, and
what makes latency honest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from services.demo.trace import Row

# Deep context is what tells a consultation from a chat; an eighth of the trace is that deep.
CONSULTATION_TOKENS_MIN = 2_500
GOAL_EVERY_US = 20_000_000
GOAL_LASTS_US = 2_000_000
GOAL_FACTOR = 6
TURNS_PER_CHAT = 6
TURNS_PER_CONSULTATION = 25
_AFTER_LAST_ROW_US = 200_000


class Turn(msgspec.Struct, frozen=True, gc=False):
    """
    One turn of a visitor, due *due_us* after the start of the demo.

    *number* counts the twin's turns from 0; *session* names the visitor's conversation.
    """

    due_us: int
    tenant: str
    number: int
    session: str
    context_tokens: int
    generated_tokens: int


def turns(rows: Sequence[Row], *, speed: float, lasts_us: int, run: str) -> Iterator[Turn]:
    """
    Yield the turns of *lasts_us* microseconds in the order in which they are due.

    Arrival times are divided by *speed*; when the trace is over it begins again. *run* makes the
    sessions of this demo its own.
    """
    counts = {"cantor": 0, "fernandez": 0}
    for due_us, row in _due(rows, speed, lasts_us):
        is_deep = row.context_tokens >= CONSULTATION_TOKENS_MIN
        tenant = "fernandez" if is_deep else "cantor"
        length = TURNS_PER_CONSULTATION if is_deep else TURNS_PER_CHAT
        number = counts[tenant]
        counts[tenant] += 1
        session = f"{run}-{tenant}-{number // length}"
        yield Turn(due_us, tenant, number, session, row.context_tokens, row.generated_tokens)


def is_goal(due_us: int) -> bool:
    """Whether the stadium is shouting. Never at the very start, so that calm comes first."""
    return due_us >= GOAL_EVERY_US and due_us % GOAL_EVERY_US < GOAL_LASTS_US


def _due(rows: Sequence[Row], speed: float, lasts_us: int) -> Iterator[tuple[int, Row]]:
    length_us = rows[-1].at_us + _AFTER_LAST_ROW_US
    offset_us = 0
    while True:
        for row in rows:
            due_us = int((offset_us + row.at_us) / speed)
            if due_us >= lasts_us:
                return
            # A goal makes the same moment's visitors many; they do not wait for each other.
            chats = row.context_tokens < CONSULTATION_TOKENS_MIN and is_goal(due_us)
            for _ in range(GOAL_FACTOR if chats else 1):
                yield due_us, row
        offset_us += length_us
