"""
Texts for people are kept exactly, and hold nothing that shows another text than was written.

`check_texts` is called by each message for its own fields, so every such field of every message is
tried here.
"""

import json
from collections.abc import Iterator

import msgspec
import pytest

from contracts.deployment import DisableDeployment
from contracts.message import UNFIT_FOR_LINE, UNFIT_FOR_PROSE
from contracts.schema import SCHEMAS_PATH
from tests import examples
from tests.contracts.test_spelling import with_value

DEFINITIONS = json.loads(SCHEMAS_PATH.read_text())["$defs"]
UNFIT = (
    *("a\0", "\x07a", "a\x1b[2J", "a\x7f", "a\x85b", "a\rb"),
    *("a\u202eb", "\u202a", "a\u2066b", "\u2069"),
)
UNFIT_IN_A_LINE = (*UNFIT, "a\nb", "a\tb", "a\u2028b")
FIT = ("¡Goooool! ñandú", "e\u0301", "日本語", "مرحبا \u200f!", "👩‍👩‍👧", "<b>'\"&;--", "a\u00a0b")


def texts(value, where=(), schema=None) -> Iterator[tuple[tuple, str]]:
    """Paths of all texts for people in a message, with what its schema says they may not hold."""
    schema = schema or {}
    if "$ref" in schema:
        schema = DEFINITIONS[schema["$ref"].rsplit("/", 1)[1]]
    if isinstance(value, dict):
        for key, item in value.items():
            yield from texts(item, (*where, key), schema.get("properties", {}).get(key))
    elif isinstance(value, str) and "not" in schema:
        yield where, schema["not"]["pattern"]


CASES = [
    (command, where, pattern)
    for command in examples.COMMANDS
    for where, pattern in texts(
        json.loads(msgspec.json.encode(command)), (), DEFINITIONS[type(command).__name__]
    )
]
NAMES = [f"{type(c).__name__}-{'.'.join(map(str, w))}" for c, w, _ in CASES]


def test_cases_cover_every_text():
    """The control: should the schema lose its rule, the tests below would be empty."""
    assert {".".join(where) for _, where, _ in CASES} == {
        *("note", "disclosure.text", "title", "location", "summary", "reason"),
    }
    assert {pattern for _, _, pattern in CASES} == {UNFIT_FOR_LINE, UNFIT_FOR_PROSE}


@pytest.mark.parametrize(("command", "where", "pattern"), CASES, ids=NAMES)
def test_what_would_show_another_text_is_refused_by_name(command, where, pattern):
    """A control character moves a cursor; an override makes a reader approve what is not there."""
    good = json.loads(msgspec.json.encode(command))
    for wrong in UNFIT_IN_A_LINE if pattern == UNFIT_FOR_LINE else UNFIT:
        bad = with_value(good, where, wrong)
        with pytest.raises(msgspec.ValidationError, match=rf"`{where[-1]}` holds U\+"):
            msgspec.json.decode(json.dumps(bad), type=type(command))
        with pytest.raises(msgspec.ValidationError, match=where[-1]):
            msgspec.msgpack.decode(msgspec.msgpack.encode(bad), type=type(command))


@pytest.mark.parametrize(("command", "where", "pattern"), CASES, ids=NAMES)
def test_everything_else_is_kept_letter_by_letter(command, where, pattern):
    """No normalisation, no trimming: what a person wrote is what is stored and shown."""
    good = json.loads(msgspec.json.encode(command))
    for text in FIT if pattern == UNFIT_FOR_LINE else (*FIT, " a\n\tb \n", ""):
        wanted = with_value(good, where, text)
        for codec, data in (
            (msgspec.json, json.dumps(wanted).encode()),
            (msgspec.msgpack, msgspec.msgpack.encode(wanted)),
        ):
            found = msgspec.to_builtins(codec.decode(data, type=type(command)))
            for key in where:
                found = found.get(key, "")
            assert found == text


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"])
def test_half_a_character_is_refused(text):
    """No decoder lets one in; this is for callers in Python, whose strings may hold one."""
    with pytest.raises(ValueError, match=r"`note` holds U\+D"):
        DisableDeployment(command_id="c", deployment="web", note=text)
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(
            json.dumps({"command_id": "c", "deployment": "web", "note": text}),
            type=DisableDeployment,
        )


@pytest.mark.parametrize(("command", "where", "pattern"), CASES, ids=NAMES)
def test_a_text_without_end_is_refused(command, where, pattern):
    """Every text has a maximum, which its schema states."""
    bad = with_value(json.loads(msgspec.json.encode(command)), where, "a" * 2_001)

    with pytest.raises(msgspec.ValidationError, match=rf"\$\.{'.'.join(where)}"):
        msgspec.json.decode(json.dumps(bad), type=type(command))
