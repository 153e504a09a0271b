"""
Names are checked in one match per message (see `contracts.message`), so every field of every
message is tried here with every way to misspell it.
"""

import json
from collections.abc import Iterator

import msgspec
import pytest

from contracts.schema import SCHEMAS_PATH
from tests import examples

DEFINITIONS = json.loads(SCHEMAS_PATH.read_text())["$defs"]
MISSPELLED = ("", " ", "a b", "a\n", "\na", "é", "a" * 200, "a\0", "a\tb", "a|b", "a\u2028b")


def spelled_fields(value, where=(), schema=None) -> Iterator[tuple]:
    """Paths of all strings in a message that its schema wants spelled some way."""
    schema = schema or {}
    if "$ref" in schema:
        schema = DEFINITIONS[schema["$ref"].rsplit("/", 1)[1]]
    for one in schema.get("anyOf", []):
        yield from spelled_fields(value, where, one)
    if isinstance(value, dict):
        for key, item in value.items():
            yield from spelled_fields(item, (*where, key), schema.get("properties", {}).get(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from spelled_fields(item, (*where, index), schema.get("items"))
    elif isinstance(value, str) and "pattern" in schema:
        yield where


def with_value(message, where, value):
    """A copy of a decoded message with another value at one path."""
    if not where:
        return value
    copy = dict(message) if isinstance(message, dict) else list(message)
    copy[where[0]] = with_value(message[where[0]], where[1:], value)
    return copy


CASES = [
    (command, where)
    for command in examples.COMMANDS
    for where in spelled_fields(
        json.loads(msgspec.json.encode(command)), (), DEFINITIONS[type(command).__name__]
    )
]


def test_cases_cover_every_kind_of_name():
    """The control: should the schema lose its patterns, the test below would be empty."""
    assert {where[-1] for _, where in CASES} == {
        "command_id",
        "provider_id",
        "sku",
        "session_id",
        "reservation_id",
        "name",
        "confirm",
        "currency",
        "retrieved_on",
        "person",
        "email",
        "invitation_id",
        "key_id",
        "new_key_id",
        "label",
        "secret",
        "link",
        "password_hash",
        "language",
        "deployment",
        "visitor_id",
        "source",
        "content_hash",
        "principal",
        "noun",
        "verb",
        "code",
        "about",
        "why",
    }
    assert len(CASES) > 25


@pytest.mark.parametrize(
    ("command", "where"),
    CASES,
    ids=[f"{type(c).__name__}-{'.'.join(map(str, w))}" for c, w in CASES],
)
def test_a_name_that_is_not_spelled_right_is_refused(command, where):
    """Names become map keys, file lines and subjects; nothing odd may get in, by either door."""
    good = json.loads(msgspec.json.encode(command))
    for wrong in MISSPELLED:
        bad = with_value(good, where, wrong)
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(json.dumps(bad), type=type(command))
        with pytest.raises(msgspec.ValidationError):
            msgspec.msgpack.decode(msgspec.msgpack.encode(bad), type=type(command))


@pytest.mark.parametrize(
    ("field", "value"), [("command_id", "a b"), ("provider_id", "a b"), ("session_id", "a b")]
)
def test_the_message_says_which_name_is_wrong(field, value):
    """Four names in one match must not make the error vaguer."""
    call = next(c for c in examples.COMMANDS if type(c).__name__ == "AuthorizeCall")
    bad = json.loads(msgspec.json.encode(call)) | {field: value}

    with pytest.raises(msgspec.ValidationError, match=f"`{field}` must match"):
        msgspec.json.decode(json.dumps(bad), type=type(call))


@pytest.mark.parametrize("number", ["cantor.1", "a.0", "a-b-9." + "9" * 18])
def test_reservations_that_a_grant_could_have_are_accepted(number):
    """The other side of the pattern."""
    settle = next(c for c in examples.COMMANDS if type(c).__name__ == "SettleCall")

    assert msgspec.structs.replace(settle, reservation_id=number).reservation_id == number


@pytest.mark.parametrize(
    "number", ["cantor", "cantor.", ".1", "Cantor.1", "cantor.-1", "cantor.1.1", "cantor.x", "9a.1"]
)
def test_reservations_that_no_grant_has_are_refused(number):
    """Including ones that Python's int() would accept."""
    settle = next(c for c in examples.COMMANDS if type(c).__name__ == "SettleCall")
    bad = json.loads(msgspec.json.encode(settle)) | {"reservation_id": number}

    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(bad), type=type(settle))
