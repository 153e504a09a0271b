"""Secrets over HTTP: put, rotated, opened with the reservation of a call; and kept by no memory."""

from __future__ import annotations

from hashlib import blake2b, md5, sha1, sha256

import msgspec
import psycopg
import pytest

from contracts.questions import CompareSecret
from contracts.secret import PutSecret
from tests.http_door.cast import cast
from tests.http_door.conftest import OTHER, OWN
from tests.http_door.memory_gate import unverified
from tests.http_door.people import bearer
from tests.http_door.test_commands import BUDGET, CALL, TOP_UP, told
from tests.query_api.conftest import KEY
from tests.rig.searching import spellings

OPERATOR = bearer(KEY)
VAULT = f"/v1/tenants/{OWN}/secret"
VALUE, ANOTHER = "sk-live-one-9f2c71", "sk-live-two-47ab03"
PUT = {"name": "openai", "value": VALUE}
VERBS = ("put", "rotate")


async def kept(site, verb: str, key: str = "first"):
    """Keep a value with a verb; to rotate there must be one before."""
    if verb == "rotate":
        assert (await site.post(f"{VAULT}/put", OPERATOR, PUT | {"value": "old"})).status == 200
    answer = await site.post(f"{VAULT}/{verb}", OPERATOR, PUT, key=key)
    assert answer.status == 200, answer.body
    return answer


@pytest.mark.parametrize("verb", VERBS)
async def test_the_same_key_with_another_value_is_422(site, verb):
    """While the gate remembers the command."""
    first = await kept(site, verb)
    again = await site.post(f"{VAULT}/{verb}", OPERATOR, PUT, key="first")
    other = await site.post(f"{VAULT}/{verb}", OPERATOR, PUT | {"value": ANOTHER}, key="first")

    assert again.json == first.json | {"replayed": True}
    told(other, 422, "command_id_reused")


@pytest.mark.parametrize("verb", VERBS)
async def test_the_same_key_with_another_value_is_422_for_ever(late, verb):
    """When only the tables know the command, which have nothing to try values against."""
    first = await kept(late.site, verb)
    await late.forget()
    commits = len(late.world.gate.commits)
    again = await late.site.post(f"{VAULT}/{verb}", OPERATOR, PUT, key="first")
    for change in ({"value": ANOTHER}, {"name": "another"}):
        other = await late.site.post(f"{VAULT}/{verb}", OPERATOR, PUT | change, key="first")
        told(other, 422, "command_id_reused")
    crossed = await late.site.post(
        f"{VAULT}/{'rotate' if verb == 'put' else 'put'}", OPERATOR, PUT, key="first"
    )
    top_up = await late.site.post(f"{BUDGET}/top-up", OPERATOR, TOP_UP, key="first")

    assert (again.status, again.json["replayed"]) == (200, True)
    assert again.json["version"] == first.json["version"]
    told(crossed, 422, "command_id_reused")
    told(top_up, 422, "command_id_reused")
    assert len(late.world.gate.commits) == commits


async def test_without_the_gate_nobody_can_tell(late):
    """Then nothing is claimed: not that it is the same, nor that it is another."""
    await kept(late.site, "put")
    await late.forget()
    late.world.gate.fault = unverified()
    answer = await late.site.post(f"{VAULT}/put", OPERATOR, PUT, key="first")

    told(answer, 503, "cannot_verify")


async def test_only_the_door_itself_may_compare(site):
    """It would let whoever has a fingerprint try values."""
    asked = CompareSecret(fingerprint=bytes(16), put=PutSecret(command_id="c", **PUT))
    for principal in ("person_owner", "admin_root", "key_a"):
        reply = await site.world.gate.ask(OWN, asked, principal)
        assert reply["status"] == 403, principal


async def test_whoever_may_make_calls_opens_with_the_reservation(site):
    """The way of an adapter in another language: authorise, open, call, settle; all over HTTP."""
    everybody = cast(site.world)
    await kept(site, "put")
    caller = everybody["key calls"]
    granted = (await site.post(f"{BUDGET}/authorize", caller, CALL)).json
    opening = {"name": "openai", "reservation_id": granted["reservation_id"]}
    opened = await site.post(f"{VAULT}/open", caller, opening, key="open")
    again = await site.post(f"{VAULT}/open", caller, opening, key="open")
    for who in ("owner", "admin", "key read", "key mint", "viewer"):
        told(await site.post(f"{VAULT}/open", everybody[who], opening), 403, "caller_not_allowed")
    told(await site.post(f"{VAULT}/open", caller, opening), 409, "secret_opened_before")

    assert (opened.status, opened.json["value"]) == (200, VALUE)
    assert (again.json["value"], again.json["replayed"]) == (VALUE, True)
    for answer in (opened, again):
        assert answer.headers["Cache-Control"] == "no-store"
    settled = {"reservation_id": granted["reservation_id"], "usage": {"requests": 1}}
    assert (await site.post(f"{BUDGET}/settle", caller, settled)).status == 200
    over = await site.post(f"{VAULT}/open", caller, opening, key="open")
    assert over.status != 200
    assert VALUE not in over.body.decode()


async def test_no_reservation_of_another_twin_opens_anything(site):
    """Nor one that nobody granted."""
    caller = cast(site.world)["key calls"]
    await kept(site, "put")
    for reservation in (f"{OWN}.999999", f"{OTHER}.1"):
        answer = await site.post(
            f"{VAULT}/open", caller, {"name": "openai", "reservation_id": reservation}
        )
        assert answer.status in (403, 404), answer.body


async def test_no_value_is_in_any_table(late, database):
    """Neither of the command nor of the answer, in no spelling, and no digest without a key."""
    caller = cast(late.world)["key calls"]
    await kept(late.site, "put")
    granted = (await late.site.post(f"{BUDGET}/authorize", caller, CALL)).json
    opening = {"name": "openai", "reservation_id": granted["reservation_id"]}
    opened = await late.site.post(f"{VAULT}/open", caller, opening, key="open")
    assert opened.json["value"] == VALUE
    await late.forget()

    dumped = dump(database)
    assert b"openai" in dumped
    for spelled in spellings(VALUE.encode()):
        assert spelled not in dumped
    for payload in (VALUE.encode(), msgspec.msgpack.encode(PutSecret(command_id="first", **PUT))):
        digests = [made(payload).hexdigest() for made in (md5, sha1, sha256, blake2b)]
        for digest in (*digests, *(blake2b(payload, digest_size=n).hexdigest() for n in (8, 16))):
            assert digest.encode() not in dumped


def dump(database) -> bytes:
    """Every row of every table of the read side, as text."""
    with psycopg.connect(database) as connection:
        tables = connection.execute(
            "SELECT schemaname || '.' || tablename FROM pg_tables"
            " WHERE schemaname !~ '^(pg_|information_schema)'"
        ).fetchall()
        rows = [
            connection.execute(f"SELECT t::text FROM {name} t").fetchall() for (name,) in tables
        ]
    return "\n".join(row for found in rows for (row,) in found).encode()
