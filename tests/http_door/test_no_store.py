"""Nothing that this API says is kept by anything on its way, but what is meant to be."""

import pytest

from tests.http_door.cast import cast
from tests.http_door.conftest import OTHER, OWN
from tests.http_door.operations import OPERATIONS, ask

# Public halves of keys, which everybody who checks a token should keep for a while.
MAY_BE_KEPT = {"readJwks"}


async def test_no_answer_may_be_stored(site):
    """Granted, refused, unknown: whatever status an operation of the document is answered with."""
    everybody = cast(site.world)
    seen = set()
    for operation in sorted(OPERATIONS):
        wanted = "public, max-age=60" if operation in MAY_BE_KEPT else "no-store"
        for who in ("operator", "viewer", "other twin's key", "nothing"):
            answer = await ask(site, operation, OWN, everybody[who])
            seen.add(answer.status)
            told = answer.headers.getall("Cache-Control")
            assert told == [wanted], (operation, who, answer.status)
    assert {200, 401, 403, 404, 409, 415} <= seen


async def test_neither_may_what_opens_a_session(site):
    """The cookie is in this answer."""
    site.world.directory.add_person("ana", {OWN: "editor"}, password="p")
    good = {"email": "ana@example.com", "password": "p"}
    for sent, status in ((good, 200), (good | {"password": "q"}, 401)):
        answer = await site.ask("POST", "/v1/sign-in", {}, sent)
        assert (answer.status, answer.headers["Cache-Control"]) == (status, "no-store")


@pytest.mark.parametrize("path", ["/v1/nothing", f"/v1/tenants/{OTHER}/nothing", "/%00"])
async def test_neither_may_what_is_no_operation(site, path):
    """Nor what never reached the application."""
    answer = await site.ask_raw("GET", path, {}, None)

    assert answer.headers["Cache-Control"] == "no-store"
