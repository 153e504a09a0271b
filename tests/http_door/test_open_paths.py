"""What anybody may read: our public keys, and the page behind a one-time link."""

import base64
import hashlib
import re

from services.failure import Failure
from services.http_door.sign_in_page import link
from tests.http_door.conftest import standing
from tests.http_door.doors import World
from tests.http_door.test_commands import told


async def test_public_keys_may_be_kept_for_a_while_and_are_read_anew(two_twins):
    """Everything else here is never stored by anybody; these are meant to be."""
    world = World()
    world.keys = [{"kid": "a"}]
    async with standing(two_twins, world) as site:
        first = await site.get("/.well-known/jwks.json")
        world.keys = [{"kid": "a"}, {"kid": "b"}]
        second = await site.get("/.well-known/jwks.json")

    assert first.headers["Content-Type"] == "application/jwk-set+json"
    assert first.headers["Cache-Control"] == "public, max-age=60"
    assert [len(answer.json["keys"]) for answer in (first, second)] == [1, 2]


async def test_keys_that_cannot_be_read_are_no_empty_set(two_twins):
    """An empty one would say that every token is forged."""
    world = World()
    world.keys = Failure("the file is gone", "make it")
    async with standing(two_twins, world) as site:
        told(await site.get("/.well-known/jwks.json"), 503, "identity_unavailable")


async def test_the_page_runs_its_own_script_and_no_other(site):
    """A policy that does not fit would show an empty page, or run what somebody has injected."""
    answer = await site.get("/sign-in")
    page, policy = answer.body.decode(), answer.headers["Content-Security-Policy"]

    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in policy
    for tag in ("script", "style"):
        [source] = re.findall(rf"<{tag}>([\s\S]*?)</{tag}>", page)
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    for path in re.findall(r'"(/v1/[a-z/-]+)"', page):
        assert path in {"/v1/sign-in", "/v1/sign-in/link", "/v1/sign-out", "/v1/me"}


def test_the_secret_of_a_link_is_sent_to_nobody():
    """It stands after the #, so it is in no log and no Referer."""
    assert link("http://127.0.0.1:1", "s3cret") == "http://127.0.0.1:1/sign-in#s3cret"
