"""Long conversations: asking until something is so, and what was noticed on the way."""

from __future__ import annotations

from itertools import count

from contracts.stream import Notice

MOST = 120
# A score is fresh for seconds, and then is bought again.
BETWEEN_MS = 5_000
_numbers = count(1)


async def asked_until(page, question, is_so, clock=None):
    """
    Ask until *is_so* of everything that was heard, which is returned.

    Time passes by *clock* between the questions.
    """
    heard = []
    for _ in range(MOST):
        if clock is not None:
            clock.advance_ms(BETWEEN_MS)
        heard += await page.turn(question, turn=f"q{next(_numbers)}")
        if is_so(heard):
            return heard
    raise AssertionError(f"not in {MOST} turns")


async def asked(page, question, turns):
    """Ask so many times; return everything that was heard."""
    heard = []
    for _ in range(turns):
        heard += await page.turn(question, turn=f"q{next(_numbers)}")
    return heard


def notices(heard):
    """What a person was told of."""
    return [one for one in heard if isinstance(one, Notice)]


def rungs(heard):
    """The rungs that it went on by."""
    return [one.modality for one in notices(heard)]
