"""Commits: what is sealed is what is opened, and nothing can be moved, relabelled or swapped."""

from __future__ import annotations

import hashlib
import os

import msgspec
import pytest

from contracts.commit import FIRST_PREV, CommitLine, split
from services.tenant_log.codec import (
    GENESIS,
    BrokenLog,
    Link,
    digest_of,
    follow,
    hash_of,
    open_commit,
    seal_commit,
)
from tests.audit.written_log import WrittenLog

KEY = b"k" * 32
LINE = CommitLine("cantor", 1, 1_790_000_000_000_000, 1, 1, "worker-a", "0" * 32, FIRST_PREV)
EVENTS = WrittenLog().events(1)[:1]


def sealed(**changes) -> bytes:
    return seal_commit(msgspec.structs.replace(LINE, **changes), EVENTS, KEY)


def test_what_is_sealed_is_what_is_opened():
    """The one promise that everything else stands on."""
    line, head, box = follow("cantor", GENESIS, sealed())

    assert line == LINE
    assert open_commit(line, head, box, KEY) == EVENTS


def test_the_hash_is_that_of_the_stored_bytes():
    """Never of a re-serialisation, which another version may spell otherwise."""
    payload = sealed()

    assert hash_of(payload) == hashlib.sha256(payload).hexdigest()
    assert sealed() != payload, "each box has a random part, so no two commits are alike"


def test_the_line_is_readable_without_a_key():
    """Anybody can follow a chain; only the tenant's key opens it."""
    payload = sealed(index=42, events=3)

    assert payload.split(b"\n", 1)[0].decode() == (
        "vito-commit/1 tenant=cantor index=42 at_us=1790000000000000 events=3 key=1"
        f" actor=worker-a commands={'0' * 32} prev={'0' * 64}"
    )


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"tenant": "fernandez"}, "a commit of fernandez"),
        ({"index": 2}, "its index is 2"),
        ({"prev_hash": "f" * 64}, "hash differs"),
    ],
)
def test_a_commit_that_does_not_follow(changes, what):
    """Another tenant's, one too far, or one of another history."""
    with pytest.raises(BrokenLog, match=what) as raised:
        follow("cantor", GENESIS, sealed(**changes))

    assert (raised.value.tenant, raised.value.index) == ("cantor", 1)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\n",
        b"vito-commit/2 tenant=cantor\nbox",
        sealed().replace(b" prev=", b"  prev=", 1),
        sealed().replace(b"tenant=cantor", b"tenant=Cantor", 1),
        sealed().split(b"\n", 1)[0],
        os.urandom(2_000),
    ],
)
def test_bytes_that_are_no_commit(payload):
    """A log is refused at the first byte that is not understood."""
    with pytest.raises(BrokenLog, match="first line"):
        follow("cantor", Link(6, "a" * 64), payload)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"at_us=1790000000000000", b"at_us=1790000000000001"),
        (b"actor=worker-a", b"actor=worker-b"),
        (b"events=1", b"events=2"),
        (b"commands=0", b"commands=1"),
        (b"key=1", b"key=2"),
        (b"index=1", b"index=01"),
    ],
)
def test_every_word_of_the_line_is_bound_to_the_box(old, new):
    """Time, actor and digest are clear, and still cannot be changed."""
    line, head, box = split(sealed().replace(old, new, 1))
    with pytest.raises(BrokenLog, match="does not open"):
        open_commit(line, head, box, KEY)


def test_another_key():
    """A commit opens with its own tenant's key only."""
    line, head, box = split(sealed())
    with pytest.raises(BrokenLog, match="another key"):
        open_commit(line, head, box, b"x" * 32)


def test_fewer_events_than_the_line_says():
    """Whoever has the key could still leave one out."""
    line, head, box = split(sealed(events=2))
    with pytest.raises(BrokenLog, match="1 events, not 2"):
        open_commit(line, head, box, KEY)


def test_the_digest_depends_on_every_command_and_its_place():
    """It says which commands a commit answers, without naming them."""
    assert len(digest_of([])) == len(digest_of(["a", "b"])) == 32
    assert len({digest_of(ids) for ids in ([], ["a"], ["a", "b"], ["b", "a"], ["ab"])}) == 5
