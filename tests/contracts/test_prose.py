"""
What people write and read: kept exactly as it is, but for what no text may have.

Texts are checked by each message itself (see `contracts.message`), so every field that the schema
calls a text is tried here with every kind of character that is refused, and with what is kept.
"""

import json
import re
from collections.abc import Iterator

import jsonschema
import msgspec
import pytest

from contracts.commands import NOUN_AND_VERB
from contracts.message import fault_in_line, fault_in_prose, refuse_odd_text
from contracts.price_book import PriceBook
from contracts.prompt import SavePrompt, Variable
from contracts.schema import SCHEMAS_PATH
from contracts.topics import Topic
from contracts.twin import Identity
from tests import examples
from tests.contracts.test_spelling import with_value

DEFINITIONS = json.loads(SCHEMAS_PATH.read_text())["$defs"]
ASKED = [*examples.COMMANDS, *examples.QUESTIONS]
# Controls, an escape that moves the cursor, delete, a C1 control; embeddings, overrides, isolates.
REFUSED = (
    *("\0", "\x07", "\x1b", "\r", "\x7f", "\x85"),
    *("\u202a", "\u202e", "\u2066", "\u2069"),
)
# What the schema cannot say, for the sake of validators that count in UTF-16.
ONLY_BY_US = ("\U000e0041", "\U000e007f", "🏴\U000e0067\U000e0062\U000e007f")
BREAKS = ("\n", "\t", "\u2028", "\u2029")
KEPT = (
    "¡Goooool!",
    "Fernández, ñandú, cafe\u0301",
    "👩\u200d👩\u200d👧 👩\u200d🎤 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "עִבְרִית \u200f العربية",
    "日本語",
    "\u00a0\u00ad\ufeff",
    " '; DROP TABLE prompts; -- <b>\"& ",
)


def texts(value, where=(), schema=None) -> Iterator[tuple[tuple, dict]]:
    """Paths of all texts in a message, with what its schema says of them."""
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
        yield where, schema


CASES = [
    (message, where, schema)
    for message in ASKED
    for where, schema in texts(
        json.loads(msgspec.json.encode(message)), (), DEFINITIONS[type(message).__name__]
    )
]
EVERY_TEXT = pytest.mark.parametrize(
    ("message", "where", "schema"),
    CASES,
    ids=[f"{type(m).__name__}-{'.'.join(map(str, w))}" for m, w, _ in CASES],
)


def may_break(schema: dict) -> bool:
    return r"\u2028" not in schema["not"]["pattern"]


def field_of(where: tuple) -> str:
    return next(part for part in reversed(where) if isinstance(part, str))


def test_cases_cover_texts_of_one_line_and_of_several():
    """The control: should the schema lose the rule, the tests below would test nothing."""
    found = {(type(message).__name__, where[0]) for message, where, _ in CASES}

    assert found >= {
        ("ProvisionTenant", "display_name"),
        ("ProvisionTenant", "price_book"),
        ("SetPolicy", "policy"),
        ("SettleCall", "vendor_ref"),
        ("ReleaseCall", "reason"),
        ("SavePrompt", "text"),
        ("SavePrompt", "note"),
        ("SavePrompt", "variables"),
        ("SetTopics", "topics"),
        ("ActivatePrompt", "reason"),
        ("RollBackTopics", "reason"),
        ("PreviewPrompt", "text"),
        ("SetIdentity", "identity"),
        ("SetPurpose", "purpose"),
        ("SetDisclosure", "disclosure"),
        ("AddSource", "title"),
        ("AddSource", "location"),
        ("ReportIngested", "summary"),
        ("ReportFailed", "reason"),
        ("RecordSample", "reference"),
    }
    # Two rules, whichever message: one for a line, one for prose.
    assert len({schema["not"]["pattern"] for *_, schema in CASES}) == 2
    assert {may_break(schema) for *_, schema in CASES} == {True, False}


@EVERY_TEXT
def test_a_text_with_what_nobody_may_write_is_refused_by_name(message, where, schema):
    """The answer says which field, which character and where; a validator finds it as well."""
    good = json.loads(msgspec.json.encode(message))
    check = jsonschema.Draft202012Validator(
        {"$defs": DEFINITIONS, "$ref": f"#/$defs/{type(message).__name__}"}
    )
    for bad in (*REFUSED, *(() if may_break(schema) else BREAKS)):
        broken = with_value(good, where, f"ab{bad}")
        told = rf"\b{field_of(where)}(\[\d\])?` has U\+{ord(bad):04X} at character 3"

        for codec in (msgspec.json, msgspec.msgpack):
            with pytest.raises(msgspec.ValidationError) as refused:
                codec.decode(codec.encode(broken), type=type(message))
            assert re.search(told, str(refused.value))
        assert not check.is_valid(broken)


@EVERY_TEXT
@pytest.mark.parametrize("hidden", ONLY_BY_US, ids=ascii)
def test_letters_that_only_a_model_reads_are_refused(message, where, schema, hidden):
    """Tags spell whole sentences that no reviewer sees; only the three flags may have them."""
    good = json.loads(msgspec.json.encode(message))
    first = next(char for char in hidden if char >= "\U000e0000")
    told = rf"\b{field_of(where)}(\[\d\])?` has U\+{ord(first):04X}"

    with pytest.raises(msgspec.ValidationError, match=told):
        msgspec.json.decode(json.dumps(with_value(good, where, hidden)), type=type(message))


@EVERY_TEXT
def test_every_other_text_is_kept_to_the_last_code_point(message, where, schema):
    """No normalisation, no trimming: a catchphrase is what its owner wrote."""
    good = json.loads(msgspec.json.encode(message))
    several = (" a\n\tb \n", "\u2028") if may_break(schema) else ()
    for kept in (*KEPT, *several, *([] if schema.get("minLength") else [""])):
        wanted = with_value(good, where, kept)
        for codec in (msgspec.json, msgspec.msgpack):
            found = codec.decode(codec.encode(wanted), type=type(message))
            again = codec.decode(codec.encode(found), type=type(message))

            assert again == found
            assert _at(found, where) == kept


def _at(message, where: tuple) -> str:
    for part in where:
        message = getattr(message, part) if isinstance(part, str) else message[part]
    return message


@EVERY_TEXT
def test_a_text_without_end_is_refused(message, where, schema):
    """Every text has a maximum, which its schema states."""
    good = json.loads(msgspec.json.encode(message))
    longest = with_value(good, where, "a" * schema["maxLength"])
    assert msgspec.json.decode(json.dumps(longest), type=type(message))

    too_long = with_value(good, where, "a" * (schema["maxLength"] + 1))
    with pytest.raises(msgspec.ValidationError, match=rf"length.*{field_of(where)}"):
        msgspec.json.decode(json.dumps(too_long), type=type(message))


def test_a_lone_surrogate_is_refused_wherever_it_comes_from():
    """It is half of a character: it could be neither stored nor shown."""
    for fault in (fault_in_prose, fault_in_line):
        assert "U+D800 at character 2" in fault("a\ud800")
    for half in ("\ud800", "\udfff"):
        told = rf"`text` has U\+{ord(half):04X} at character 2"
        with pytest.raises(ValueError, match=told):
            SavePrompt(command_id="c", text=f"a{half}", expected_version=0)
    for sent in (b'"\\ud800 and more than six"', b'"\xed\xa0\x80"'):
        body = b'{"command_id": "c", "expected_version": 0, "text": %b}' % sent
        with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
            msgspec.json.decode(body, type=SavePrompt)


def test_a_fault_deep_in_a_document_is_told_by_its_whole_path():
    """Of fifty phrases, which one."""
    identity = Identity("calm", "slow", "es-AR", signature_phrases=["¡Goooool!", "a\x07"])

    with pytest.raises(ValueError, match=r"`identity\.signature_phrases\[1\]` has U\+0007"):
        refuse_odd_text("identity", identity)


# Texts that other rules check: printable ASCII; a secret, which nobody reads; and a default, which
# is checked as a line but may also be a number.
CHECKED_OTHERWISE = {
    "OpenSession.user_agent",
    "PutSecret.value",
    "RotateSecret.value",
    "Variable.default",
}


def free_strings(schema: dict) -> bool:
    """Whether a schema takes a string that it says nothing of but its length."""
    if any(free_strings(one) for one in schema.get("anyOf", [])) or (
        "items" in schema and free_strings(schema["items"])
    ):
        return True
    ruled = {"pattern", "not", "enum", "const", "contentEncoding"} & schema.keys()
    return schema.get("type") == "string" and not ruled


def parts_of(name: str, found: set[str]) -> set[str]:
    """A message and all that it is made of."""
    if name not in found:
        found.add(name)
        for inner in re.findall(r'"#/\$defs/(\w+)"', json.dumps(DEFINITIONS[name])):
            parts_of(inner, found)
    return found


def test_no_command_has_a_text_without_a_rule():
    """A text that is bounded in length only could turn an audit log's lines round."""
    parts = {part for command in NOUN_AND_VERB for part in parts_of(command.__name__, set())}
    free = {
        f"{part}.{field}"
        for part in parts
        for field, schema in DEFINITIONS[part].get("properties", {}).items()
        if free_strings(schema)
    }

    assert free == CHECKED_OTHERWISE
    assert {"Provenance", "Topic", "Purpose"} <= parts


def test_what_is_stored_is_readable_under_any_later_rule():
    """The rule is for who writes now; a log from before it must never become unreadable."""
    odd = "a\x07\u202e\U000e0041"
    book = with_value(
        json.loads(msgspec.json.encode(examples.PRICE_BOOK)),
        ("entries", 0, "provenance", "note"),
        odd,
    )
    for kind, stored in (
        (PriceBook, book),
        (Variable, {"name": "a", "default": odd, "choices": [odd]}),
        (Topic, {"name": odd, "phrases": [odd]}),
        (Identity, {"tone": odd, "pacing": odd, "language": "es"}),
    ):
        assert msgspec.convert(stored, kind)
