"""Why a name is refused is said in words: nobody is shown a regular expression."""

import json
import re

import msgspec
import pytest

from contracts import schema
from contracts.access import InviteMember
from contracts.budget import ReleaseCall
from contracts.spelling import WORDS, in_words, words_for
from services.http_api import openapi

SHARED = "spelled as the contract says"


def patterns(node):
    """Every pattern of a name in a document; those of prose refuse characters."""
    match node:
        case dict():
            if isinstance(node.get("pattern"), str) and not node["pattern"].startswith("["):
                yield node["pattern"]
            for value in node.values():
                yield from patterns(value)
        case list():
            for value in node:
                yield from patterns(value)


def test_every_pattern_of_a_message_has_words():
    """Also one that somebody adds tomorrow."""
    found = set(patterns(json.loads(schema.SCHEMAS_PATH.read_text()))) | set(
        patterns(openapi.document()["components"]["schemas"])
    )
    # What only answers have, nobody sends.
    unspoken = {one for one in found if one.endswith("(?!\\n)") and words_for(one) == SHARED}

    assert len(found) > 15
    assert unspoken == set()


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        (ReleaseCall, {"reservation_id": "x"}, "the twin's name, a dot and a number"),
        (ReleaseCall, {"command_id": "a b"}, "1 to 64 of A-Z a-z 0-9 _ -"),
        (InviteMember, {"email": "nobody"}, "an e-mail address such as ana@example.com"),
        (InviteMember, {"invitation_id": "ABC"}, "12 to 32 of a-z 0-9"),
    ],
)
def test_the_words_stand_where_the_pattern_stood(kind, fields, words):
    """What the library says and what our own check says; the place of the field stays."""
    known = {"command_id": "c", "reservation_id": "cantor.1", "invitation_id": "a" * 12}
    known |= {"email": "a@b.c", "role": "owner", "secret_hash": b"x" * 32, "expires_at_us": 1}
    sent = {name: known[name] for name in kind.__struct_fields__ if name in known} | fields
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert(sent, kind)
    told = in_words(str(refused.value))

    assert f"must be {words}" in told
    assert next(iter(fields)) in told
    assert not re.search(r"[\^$\\{}]|regex", told.replace(" - at `$.", ""))


def test_the_words_are_of_patterns_that_are_used():
    """A table grows old when nobody looks."""
    text = schema.SCHEMAS_PATH.read_text() + openapi.encode().decode()

    assert [one for one in WORDS if json.dumps(one)[1:-1] not in text] == []
