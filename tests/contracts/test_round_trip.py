"""Every message comes back from JSON and from MessagePack as it was."""

import msgspec
import pytest

from contracts import budget
from contracts.commit import AnyEvent, decode_events, encode_events
from contracts.schema import MESSAGES
from tests import examples

KINDS = (msgspec.json, msgspec.msgpack)


@pytest.mark.parametrize("kind", KINDS, ids=["json", "msgpack"])
@pytest.mark.parametrize(
    "message",
    [
        *examples.COMMANDS,
        *examples.REPLIES,
        *examples.VIEWS,
        *examples.QUESTIONS,
        *examples.ANSWERS,
    ],
    ids=lambda m: type(m).__name__,
)
def test_message_survives(kind, message):
    """Both encodings are offered to clients, so both must say the same."""
    assert kind.decode(kind.encode(message), type=type(message)) == message


@pytest.mark.parametrize("event", examples.EVENTS, ids=lambda e: type(e).__name__)
def test_event_survives_a_commit(event):
    """Events are told apart by their first element, and stored as MessagePack."""
    assert decode_events(encode_events([event])) == [event]
    assert msgspec.json.decode(msgspec.json.encode(event), type=AnyEvent) == event


def test_a_commit_keeps_the_order_of_its_events():
    """What comes first decides what comes after."""
    assert decode_events(encode_events(examples.EVENTS)) == examples.EVENTS


@pytest.mark.parametrize("event", examples.EVENTS, ids=lambda e: type(e).__name__)
def test_event_may_grow_at_its_end(event):
    """A newer writer adds fields at the end; an older reader, during a deployment, skips them."""
    stored = msgspec.msgpack.decode(encode_events([event]))[0]

    assert decode_events(msgspec.msgpack.encode([[*stored, "a field of the future"]])) == [event]


def test_a_list_of_authorisations_survives():
    """Up to 256 in one message."""
    calls = [c for c in examples.COMMANDS if isinstance(c, budget.AuthorizeCall)] * 3

    assert msgspec.json.decode(msgspec.json.encode(calls), type=list[budget.AuthorizeCall]) == calls


@pytest.mark.parametrize(
    "command", [*examples.COMMANDS, *examples.QUESTIONS], ids=lambda m: type(m).__name__
)
def test_command_refuses_an_unknown_field(command):
    """A misspelled field must not be ignored: it might have been the limit."""
    data = msgspec.json.decode(msgspec.json.encode(command)) | {"amuont": 1}

    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(data), type=type(command))


@pytest.mark.parametrize("reply", examples.REPLIES, ids=lambda m: type(m).__name__)
def test_client_ignores_an_unknown_field_of_a_reply(reply):
    """The gate may learn to say more without breaking its callers."""
    data = msgspec.json.decode(msgspec.json.encode(reply)) | {"new": 1}

    assert msgspec.json.decode(msgspec.json.encode(data), type=type(reply)) == reply


def test_messages_are_described():
    """Meaning and units of every message are in its docstring: the schema shows it to clients."""
    assert not [m.__name__ for m in MESSAGES if not (m.__doc__ or "").strip()]
