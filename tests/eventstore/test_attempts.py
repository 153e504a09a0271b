"""
The decisions between two attempts, with a storage that says what three servers may say.

A replicated stream answers in orders that cannot be had from real servers at will: a write under
way that comes to nothing, a leader that has not applied yet what it has, one that is new.
"""

import pytest

from services.eventstore import (
    Append,
    FenceConflict,
    OutcomeUnknown,
    Rejected,
    StreamFull,
    TooLarge,
    Unavailable,
    appending,
)
from services.eventstore.appending import Appender
from services.eventstore.names import Names
from services.eventstore.wire import Recorded

NAMES = Names("EVT_0", "evt.0")
LOST = OutcomeUnknown("no answer")
AWAY = Unavailable("no leader")
UNDER_WAY = FenceConflict("wrong last sequence", in_flight=True)
STALE = FenceConflict("wrong last sequence: 9", actual_seq=9)
FULL = StreamFull("maximum bytes exceeded")
OURS, RIVAL, EMPTY = "ours", "rival", "empty"


class Storage:
    """Answers attempts and looks at the leader from two lists; the last entry repeats."""

    max_payload = 1 << 20

    def __init__(self, attempts, looks=(EMPTY,)):
        self.attempts, self.looks = list(attempts), list(looks)
        self.sent = []

    def unique(self):
        return "a-1"

    async def connected(self, timeout_s):
        return True

    async def publish(self, stream, message, *, timeout_s):
        self.sent.append([message])
        return self._next(self.attempts)

    async def publish_batch(self, stream, messages, *, timeout_s):
        self.sent.append(list(messages))
        return self._next(self.attempts)

    async def get_from_leader(self, names, request):
        found = self._next(self.looks)
        if found == EMPTY:
            return None
        message = self.sent[0][0]
        append_id = "a-1" if found == OURS else "b-1"
        recorded = Recorded(request["seq"], message.subject, "cantor", 1, "t", message.payload, 0)
        return recorded, f"NATS/1.0\r\nVito-Append: {append_id}\r\n\r\n".encode()

    @staticmethod
    def _next(answers):
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


async def append(storage, *originators, deadline_s=0.3):
    appender = Appender(storage, NAMES, deadline_s=deadline_s)
    commits = [Append(name, 1, "t", "n", b"state", 4) for name in originators or ("cantor",)]
    return await appender.append(appender.fenced(commits, "a-1"), "a-1")


@pytest.mark.parametrize(
    ("attempts", "looks", "first"),
    [
        pytest.param([7], [EMPTY], 7, id="at once"),
        pytest.param([AWAY, AWAY, 7], [EMPTY], 7, id="after an election"),
        pytest.param([LOST, 7], [EMPTY], 7, id="the first did not arrive"),
        pytest.param([LOST, STALE], [OURS], 5, id="the first was stored"),
        pytest.param([LOST, UNDER_WAY], [OURS], 5, id="the first was stored, but not yet told"),
        pytest.param([LOST, UNDER_WAY], [EMPTY, OURS], 5, id="the leader applies it later"),
        pytest.param([LOST, STALE], [LOST, AWAY, OURS], 5, id="the leader answers later"),
        pytest.param([UNDER_WAY, 7], [RIVAL], 7, id="the write under way came to nothing"),
        pytest.param([LOST, AWAY, STALE], [OURS], 5, id="stored, then an election"),
        pytest.param([LOST, FULL], [OURS], 5, id="stored as the last that fits"),
    ],
)
async def test_ends_with_our_sequence(attempts, looks, first):
    """Whatever happens between, a stored commit is reported as stored, at its own sequence."""
    assert await append(Storage(attempts, looks)) == first


@pytest.mark.parametrize(
    ("attempts", "looks", "problem"),
    [
        pytest.param([STALE], [EMPTY], FenceConflict, id="stale"),
        pytest.param([LOST, STALE], [RIVAL], FenceConflict, id="a rival was stored"),
        pytest.param([UNDER_WAY, STALE], [EMPTY], FenceConflict, id="the write under way won"),
        pytest.param([UNDER_WAY], [EMPTY], FenceConflict, id="a write under way for ever"),
        pytest.param([AWAY], [EMPTY], Unavailable, id="nobody there"),
        pytest.param([FULL], [EMPTY], StreamFull, id="full"),
        pytest.param([LOST], [EMPTY], OutcomeUnknown, id="no answer ever"),
        pytest.param([LOST, AWAY], [EMPTY], OutcomeUnknown, id="no answer, then nobody there"),
        pytest.param([LOST, STALE], [EMPTY], OutcomeUnknown, id="refused, but nobody in our place"),
        pytest.param([LOST, STALE], [AWAY], OutcomeUnknown, id="refused, and nobody to ask"),
        pytest.param([LOST, FULL], [EMPTY], OutcomeUnknown, id="no answer, then full"),
        pytest.param([Rejected("no")], [EMPTY], Rejected, id="rejected"),
    ],
)
async def test_ends_with_the_honest_problem(attempts, looks, problem, monkeypatch):
    """FenceConflict and Unavailable promise that nothing is stored; only then may they be said."""
    monkeypatch.setattr(appending, "IN_FLIGHT_S", 0.1)
    with pytest.raises(problem) as raised:
        await append(Storage(attempts, looks))
    assert type(raised.value) is problem


async def test_more_than_a_batch_holds_is_not_sent():
    """The server would collect a thousand messages before it refuses."""
    storage = Storage([7])
    with pytest.raises(TooLarge):
        await append(storage, *(f"t{n}" for n in range(appending.BATCH_MAX + 1)))
    assert storage.sent == []


async def test_every_attempt_sends_the_same_messages():
    """Idempotence rests on it: same bytes, same fence."""
    storage = Storage([LOST, AWAY, UNDER_WAY, 7])
    await append(storage, "a", "b")
    assert len(storage.sent) == 4
    assert all(messages == storage.sent[0] for messages in storage.sent)


async def test_a_rival_behind_any_fence_of_a_batch_settles_it():
    """The first tenant's place may be free while the second one's is taken."""
    storage = Storage([LOST, STALE], [EMPTY, RIVAL])
    with pytest.raises(FenceConflict):
        await append(storage, "a", "b", "c")


async def test_the_sequence_of_a_batch_is_that_of_its_first_message():
    """When a later message is what is found, the first lies before it."""
    assert await append(Storage([LOST, STALE], [EMPTY, OURS]), "a", "b") == 4
