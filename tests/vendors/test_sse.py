"""Server-sent events, however the network cuts them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.vendors.adapter import VendorCutOff
from services.vendors.chat import sse
from services.vendors.chat.sse import Events

STREAM = (
    "\ufeff: a comment\r\n\r\n"
    'event: message\ndata: {"a": "¡Goooool!"}\n\n'
    "data:first\r\ndata: second\r\n\r\n"
    "data: old\rdata: style\r\r"
    "id: 7\n\n"
    "data: [DONE]\n\n"
    "data: never ended"
).encode()
DATA = ['{"a": "¡Goooool!"}', "first\nsecond", "old\nstyle", "[DONE]"]


def events_of(*chunks):
    found = Events()
    for chunk in chunks:
        found.feed(chunk)
    return list(found.waiting)


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_the_cuts_of_the_network_change_nothing(cuts):
    """In the middle of a letter, of a line end, of a word."""
    at = [0, *sorted(cuts), len(STREAM)]
    chunks = [STREAM[start:end] for start, end in itertools.pairwise(at)]

    assert events_of(*chunks) == DATA


def test_a_byte_at_a_time():
    """The worst network."""
    assert events_of(*(STREAM[at : at + 1] for at in range(len(STREAM)))) == DATA


@pytest.mark.parametrize("endless", [b"x" * 600, b"data: " + b"x" * 600, b"data: y\n" * 2_000])
def test_what_never_ends_is_cut_off(monkeypatch, endless):
    """A line or an event without an end must not fill the memory."""
    monkeypatch.setattr(sse, "EVENT_CHARACTERS_MAX", 1_000)
    found = Events()
    with pytest.raises(VendorCutOff, match="1000 characters"):
        for _ in range(3):
            found.feed(endless)
