"""Members, invitations and keys of a twin over HTTP, without a trace of a secret."""

from __future__ import annotations

import base64

from contracts.access import RevokeKey
from contracts.account import PLATFORM
from services.identity.last_used import LastUsed
from services.identity.random_secret import digest
from tests.domain.people import People, key_of, secret
from tests.domain.world import HOUR, NOON
from tests.identity.projected import Projected
from tests.query_api.conftest import as_reader

CANTOR = "/v1/tenants/cantor"
PATHS = ("members", "invitations", "api-keys")


async def test_shows_who_belongs_to_a_twin_and_what_opens_it(own_api, tables, database):
    """The console's page, with when each key was used last."""
    people, platform = People(), People(PLATFORM)
    people.join("ana", "owner")
    people.invite("bob", "viewer")
    people.issue("k", scopes=["read"], expires_at_us=NOON + HOUR)
    people.issue("old")
    people.ask("operator", RevokeKey, key_id=key_of("old"))
    await Projected(tables.connection, None).show(people, platform)
    used = LastUsed(as_reader(database), lambda: NOON)
    used.note("cantor", key_of("k"))
    await used.write()

    found = {path: (await own_api.get(f"{CANTOR}/{path}")).json["items"] for path in PATHS}

    assert [(m["person"], m["role"], m["email"]) for m in found["members"]] == [
        ("ana", "owner", "ana@example.com")
    ]
    assert [(i["email"], i["state"]) for i in found["invitations"]] == [
        ("ana@example.com", "accepted"),
        ("bob@example.com", "open"),
    ]
    assert [
        (k["scopes"], k["expires_at"], k["revoked_at"], k["last_used_at"])
        for k in found["api-keys"]
    ] == [
        (["read"], "2026-11-10T13:00:00Z", None, "2026-11-10T12:00:00Z"),
        (["calls"], None, "2026-11-10T12:00:00Z", None),
    ]
    listed = (await own_api.get("/v1/tenants")).json["items"]
    assert [twin["tenant"] for twin in listed] == ["cantor"]


async def test_pages_follow_each_other(own_api, tables):
    """Each row once, in order."""
    people = People()
    for name in ("cyd", "ana", "bob"):
        people.join(name)
        people.issue(name)
    await Projected(tables.connection, None).show(people)

    for path, key in zip(PATHS, ("person", "invitation_id", "key_id"), strict=True):
        rows = await own_api.pages(f"{CANTOR}/{path}", limit=1)
        assert [row[key] for row in rows] == sorted(row[key] for row in rows)
        assert len({row[key] for row in rows}) == 3


async def test_no_answer_holds_a_hash(own_api, tables):
    """In no spelling: whoever reads a page learns nothing to guess with."""
    people = People()
    people.invite("ana")
    people.issue("k")
    await Projected(tables.connection, None).show(people)
    bodies = [(await own_api.get(f"{CANTOR}/{path}")).body for path in PATHS]

    for name in ("ana", "k"):
        raw = digest(secret(name))
        for spelled in (raw, raw.hex().encode(), base64.b64encode(raw)):
            assert not any(spelled in body for body in bodies)
