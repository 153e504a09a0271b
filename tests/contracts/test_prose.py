"""
What people write and read: kept exactly as it is, but for what no text may have.

Texts are checked by each message itself (see `contracts.message`), so every field that the schema
calls a text is tried here with every kind of character that is refused.
"""

import json
import re
from collections.abc import Iterator

import jsonschema
import msgspec
import pytest

from contracts.message import fault_in_line, fault_in_prose
from contracts.prompt import SavePrompt
from contracts.schema import SCHEMAS_PATH
from tests import examples

DEFINITIONS = json.loads(SCHEMAS_PATH.read_text())["$defs"]
ASKED = [*examples.COMMANDS, *examples.QUESTIONS]
# Controls, delete, a C1 control, an embedding, an override, an isolate.
REFUSED = ("\0", "\x07", "\x1b", "\r", "\x7f", "\x85", "\u202a", "\u202e", "\u2066", "\u2069")
BREAKS = ("\n", "\t", "\u2028", "\u2029")
KEPT = (
    "¡Goooool!",
    "Fernández, ñandú, cafe\u0301",
    "👩\u200d🎤 🏴\U000e0067\U000e0062",
    "עִבְרִית \u200f العربية",
    "日本語",
    "\u00a0\u00ad\ufeff",
    "'; DROP TABLE prompts; --",
)


def texts(value, where=(), schema=None) -> Iterator[tuple]:
    """Paths of all texts in a message, and whether they may have line breaks."""
    schema = schema or {}
    if "$ref" in schema:
        schema = DEFINITIONS[schema["$ref"].rsplit("/", 1)[1]]
    for one in schema.get("anyOf", []):
        yield from texts(value, where, one)
    if isinstance(value, dict):
        for key, item in value.items():
            yield from texts(item, (*where, key), schema.get("properties", {}).get(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts(item, (*where, index), schema.get("items"))
    elif isinstance(value, str) and "not" in schema:
        yield where, r"\u2028" not in schema["not"]["pattern"]


def with_value(message, where, value):
    if not where:
        return value
    copy = dict(message) if isinstance(message, dict) else list(message)
    copy[where[0]] = with_value(message[where[0]], where[1:], value)
    return copy


CASES = [
    (message, where, may_break)
    for message in ASKED
    for where, may_break in texts(
        json.loads(msgspec.json.encode(message)), (), DEFINITIONS[type(message).__name__]
    )
]


def test_cases_cover_texts_of_one_line_and_of_several():
    """The control: should the schema lose the rule, the tests below would test nothing."""
    found = {(type(message).__name__, where[0]) for message, where, _ in CASES}

    assert found >= {
        ("SavePrompt", "text"),
        ("SavePrompt", "note"),
        ("SavePrompt", "variables"),
        ("SetTopics", "topics"),
        ("ActivatePrompt", "reason"),
        ("RollBackTopics", "reason"),
        ("PreviewPrompt", "text"),
    }
    assert {may_break for *_, may_break in CASES} == {True, False}


@pytest.mark.parametrize(("message", "where", "may_break"), CASES, ids=str)
def test_a_text_with_what_nobody_may_write_is_refused_by_name(message, where, may_break):
    """The answer says which field, which character and where; a validator finds it as well."""
    good = json.loads(msgspec.json.encode(message))
    check = jsonschema.Draft202012Validator(
        {"$defs": DEFINITIONS, "$ref": f"#/$defs/{type(message).__name__}"}
    )
    field = next(part for part in reversed(where) if isinstance(part, str))
    for bad in (*REFUSED, *(() if may_break else BREAKS)):
        broken = with_value(good, where, f"ab{bad}")

        with pytest.raises(msgspec.ValidationError) as refused:
            msgspec.json.decode(json.dumps(broken), type=type(message))
        told = rf"\b{field}(\[\d\])?` has U\+{ord(bad):04X} at character 3"
        assert re.search(told, str(refused.value))
        assert not check.is_valid(broken)


@pytest.mark.parametrize("kept", KEPT)
def test_every_other_text_is_kept_to_the_last_code_point(kept):
    """No normalisation, no trimming: a catchphrase is what its owner wrote."""
    saved = SavePrompt(command_id="c", text=f" {kept}\n", expected_version=0)

    for library in (msgspec.json, msgspec.msgpack):
        assert library.decode(library.encode(saved), type=SavePrompt) == saved
    assert fault_in_line(kept) is None


def test_a_lone_surrogate_is_refused_wherever_it_comes_from():
    """It is half of a character: it could be neither stored nor shown."""
    for fault in (fault_in_prose, fault_in_line):
        assert "U+D800 at character 2" in fault("a\ud800")
    with pytest.raises(ValueError, match="`text` has U+D800 at character 2".replace("+", r"\+")):
        SavePrompt(command_id="c", text="a\ud800", expected_version=0)
    for sent in (b'"\\ud800 and more than six"', b'"\xed\xa0\x80"'):
        body = b'{"command_id": "c", "expected_version": 0, "text": %b}' % sent
        with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
            msgspec.json.decode(body, type=SavePrompt)
