"""
Whatever stands in any field of any command: done, or refused by the name of the field; never a 500.

Generated from the document: a field that somebody adds tomorrow is tried as well.
"""

import itertools
import json
import re
from collections.abc import Iterator
from copy import deepcopy

import pytest

from tests.http_door.conftest import OWN
from tests.http_door.operations import DOCUMENT, OPERATIONS, TENANT, body_of, target
from tests.http_door.people import bearer
from tests.query_api.conftest import KEY
from tests.query_api.test_openapi import validator

OPERATOR = bearer(KEY) | {"Content-Type": "application/json"}
LONG = "x" * 40_000
# What no name and no text may have, whatever it is for.
ODD = ("a\0", "\x1b[2J", "\u202eevil", "\U000e0041\U000e0042", LONG)
# What a text may have: it is kept as it is, and does no harm.
HARMLESS = (
    "a\u200b\u200d\ufeffb",
    "'; DROP TABLE audit_logs; --",
    "{{7*7}}%s$(id)<script>",
    "¡ñ👩\u200d🎤",
)
NUMBERS = ("1e400", "-1", str(10**30), "1.5", "[]", "-1e400", str(2**63), "true", "null")
# Half of a character: no JSON at all.
HALF = json.dumps("a\ud800")
PLACE = "in this place"
# Free of every rule for texts: nobody reads it.
SECRETS = ("secret_put", "secret_rotate")
# What the gate says when it has granted as much as fits.
CALM = ("too_many_holds", "monthly_hard_limit_reached")


def takes_json(operation: dict) -> bool:
    """Whether a body is read, and is no file."""
    return "application/json" in operation.get("requestBody", {}).get("content", {})


SCHEMA_OF = {
    name: operation["requestBody"]["content"]["application/json"]["schema"]
    for name, (method, path, operation) in OPERATIONS.items()
    if method == "POST" and path.startswith(TENANT) and takes_json(operation)
}


def fields(schema: dict, value: object, where: tuple = ()) -> Iterator[tuple[tuple, str]]:
    """The path and type of every text and number of a body, whether the example has it or not."""
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    for one in schema.get("anyOf", []):
        yield from fields(one, value, where)
    match schema.get("type"):
        case "object":
            for name, inner in schema.get("properties", {}).items():
                known = value.get(name) if isinstance(value, dict) else None
                yield from fields(inner, known, (*where, name))
        case "array":
            first = value[0] if isinstance(value, list) and value else None
            yield from fields(schema["items"], first, (*where, 0))
        case "string" | "integer" as kind:
            yield where, kind


def some(kinds: tuple[str, ...], number: int, count: int) -> Iterator[str]:
    return (kinds[(number + step) % len(kinds)] for step in range(count))


def cases(operation: str) -> Iterator[tuple[tuple, str, bool]]:
    """
    Path, what is written there, and whether nobody may write it.

    Each field gets a few of each kind, its neighbour the next ones: all of them are tried on every
    message, without a server, in tests/contracts/test_prose.py and test_spelling.py.
    """
    tried = dict.fromkeys(fields(SCHEMA_OF[operation], body_of(OPERATIONS[operation][1])))
    for number, (where, kind) in enumerate(tried):
        if kind == "integer":
            yield from ((where, one, False) for one in some(NUMBERS, number, 3))
            continue
        for text in some(ODD, number, 2):
            is_free = operation in SECRETS and where == ("value",) and text is not LONG
            yield where, json.dumps(text), not is_free
        yield where, json.dumps(next(some(HARMLESS, number, 1))), False
        if number == 0:
            yield where, HALF, True


def spelled(body: dict, where: tuple, written: str) -> str:
    """The body with *written*, which need not be JSON, in one place."""
    body = deepcopy(body)
    owner: object = body
    for part, following in itertools.pairwise(where):
        empty: object = [] if isinstance(following, int) else {}
        if isinstance(owner, list) and not owner:
            owner.append(empty)
        elif isinstance(owner, dict) and not owner.get(part):
            owner[part] = empty
        owner = owner[part]
    if isinstance(owner, list):
        owner[:] = [PLACE]
    else:
        owner[where[-1]] = PLACE
    return json.dumps(body).replace(json.dumps(PLACE), written)


def is_refused_by(check, body: str) -> bool:
    """Whether the document says that the body is none; it has no word for a number without end."""
    return "e400" not in body and "\\ud800" not in body and not check.is_valid(json.loads(body))


def test_every_kind_of_field_is_tried():
    """The control: should the walk lose its way, the test below would try nothing."""
    tried = {(name, where) for name in SCHEMA_OF for where, *_ in cases(name)}

    assert tried >= {
        ("tenant_provision", ("display_name",)),
        ("tenant_provision", ("policy", "quotas", "voice_minute_units")),
        ("price_book_set", ("price_book", "entries", 0, "provenance", "note")),
        ("price_book_set", ("note",)),
        ("budget_release", ("reason",)),
        ("deployment_mint", ("origin",)),
        ("prompt_save", ("variables", 0, "choices", 0)),
        ("topics_set", ("topics", 0, "phrases", 0)),
    }
    assert len(tried) > 250


@pytest.mark.parametrize("operation", SCHEMA_OF)
async def test_no_field_can_be_filled_so_that_the_server_fails(site, operation):
    """Over-long, invisible, half a character, a command for somebody else, a number without end."""
    path = target(OPERATIONS[operation][1], OWN)
    check = validator(SCHEMA_OF[operation])
    for number, (where, written, is_odd) in enumerate(cases(operation)):
        body = spelled(body_of(OPERATIONS[operation][1]), where, written)
        headers = OPERATOR | {"Idempotency-Key": f"{number}"}
        answer = await site.ask_raw("POST", path, headers, body.encode())
        case = (where, written[:40], answer.status, answer.body)

        assert answer.status < 500 or answer.json["code"] in CALM, case
        if is_odd or is_refused_by(check, body):
            assert answer.status == 400, case
            assert answer.json["remedy"], case
            [error] = answer.json["errors"]
            assert names(error["field"], where) or written == HALF, case


def names(field: str, where: tuple) -> bool:
    """Whether the field of a problem is the one that is wrong."""
    name = next(part for part in reversed(where) if isinstance(part, str))
    return name in re.split(r"[.\[\]]+", field)
