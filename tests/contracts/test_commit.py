"""The clear line of a commit: what is written is read, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.commit import FIRST_PREV, CommitLine, MalformedCommit, split

LINE = CommitLine("cantor", 42, 1_790_000_000_000_000, 3, 1, "worker-ab12", "0" * 32, FIRST_PREV)
GOOD = LINE.encode() + b"\n" + b"box\nwith newlines"


def test_line_and_box_come_back():
    """The box may hold any byte, newlines included."""
    assert split(GOOD) == (LINE, LINE.encode(), b"box\nwith newlines")


lines = st.builds(
    CommitLine,
    tenant=st.from_regex(r"[a-z][a-z0-9-]{0,62}", fullmatch=True),
    index=st.integers(0, 10**18 - 1),
    at_us=st.integers(0, 10**16 - 1),
    events=st.integers(0, 99_999),
    key_version=st.integers(0, 10**9 - 1),
    actor=st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
    commands_digest=st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
    prev_hash=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
)


@given(line=lines, box=st.binary(max_size=40))
def test_any_line_comes_back(line, box):
    """
    Goal: encode and split are inverse, at every length that a field may have.
    Method: random lines within the bounds of the format, random boxes.
    """
    assert split(line.encode() + b"\n" + box) == (line, line.encode(), box)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\n",
        LINE.encode(),
        b" " + GOOD,
        GOOD.replace(b"vito-commit/1", b"vito-commit/2"),
        GOOD.replace(b"tenant=cantor", b"tenant=Cantor"),
        GOOD.replace(b"tenant=cantor ", b"tenant=cantor  "),
        GOOD.replace(b"index=42", b"index=-1"),
        GOOD.replace(b"index=42", b"index=4_2"),
        GOOD.replace(b"events=3", b"events=3 extra=1"),
        GOOD.replace(b"prev=00", b"prev=0G"),
        GOOD.replace(b"\n", b"\r\n", 1),
        b"x" * 600 + GOOD,
    ],
)
def test_anything_else_is_malformed(payload):
    """An auditor's tool must not accept what ours would read otherwise."""
    with pytest.raises(MalformedCommit):
        split(payload)
