"""Webhooks: who is believed, and that even they only have somebody look."""

import base64
import hashlib
import io
import json

import jwt
import pytest

from services.http_door import body
from services.http_door.webhooks import LIVEKIT
from services.secret import Secret
from services.vendors.face.livekit_token import ApiKey
from services.vendors.face.tavus_webhook import Callback, token_of
from tests.http_door.conftest import OTHER, OWN, standing
from tests.http_door.doors import World
from tests.http_door.memory_gate import unverified
from tests.http_door.test_commands import told

SECRET = Secret("a deployment's secret of 32 and more characters")
KEY, API_SECRET = "APIkey", "livekit-secret-of-32-bytes-or-more-4711"
SHUTDOWN = {
    "event_type": "system.shutdown",
    "conversation_id": "c1",
    "properties": {"shutdown_reason": "participant_left_timeout"},
    "message_type": "system",
}
# As LiveKit sends it.
MEDIA_TYPE = {"Content-Type": "application/webhook+json"}
LEFT = {"event": "participant_left", "room": {"name": "vito:test:cantor.42", "sid": "RM_1"}}


@pytest.fixture
async def site(two_twins):
    world = World()
    world.webhook_secret = SECRET
    world.livekit = ApiKey(Secret(f"{KEY}:{API_SECRET}"))
    async with standing(two_twins, world) as made:
        yield made


def address(tenant=OWN, *, of=OWN):
    """Where Tavus was told to send; the token may be that *of* another twin."""
    return f"/v1/webhooks/tavus/{tenant}/{token_of(SECRET, of)}"


async def send(site, path, content, **headers):
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return await site.ask_raw("POST", path, MEDIA_TYPE | headers, data)


def signed(site, content, *, secret=API_SECRET, key=KEY, after_s=0, over=None):
    """What LiveKit puts into Authorization for this content (or for *over*)."""
    now_s = int(site.world.clock.now_s) + after_s
    data = json.dumps(content).encode() if over is None else over
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    claims = {"iss": key, "nbf": now_s, "exp": now_s + 300, "sha256": digest}
    return jwt.encode(claims, secret, algorithm="HS256")


class TestTavus:
    async def test_an_end_has_reconciliation_look_there(self, site):
        """Nothing is asked of the gate for it, and nothing told to whoever sent it."""
        answer = await send(site, address(), SHUTDOWN)

        assert (answer.status, answer.body) == (204, b"")
        assert site.world.gate.hinted == [(OWN, "tavus")]
        assert site.world.gate.heard == []

    async def test_the_address_is_the_one_that_tavus_is_told(self, site):
        """The adapter's and the door's spelling must be one."""
        site_url = str(site.url).rstrip("/")
        url = Callback(site_url, SECRET).url(OWN)
        answer = await send(site, url.removeprefix(site_url), SHUTDOWN)

        assert answer.status == 204

    @pytest.mark.parametrize(
        "path",
        [
            address(OTHER, of=OWN),
            f"/v1/webhooks/tavus/{OWN}/guessed",
            f"/v1/webhooks/tavus/{OWN}/{token_of(Secret('x' * 40), OWN)}",
            f"/v1/webhooks/tavus/{OWN}%20/{token_of(SECRET, OWN)}",
            f"/v1/webhooks/tavus/{OWN}/%C3%B1%00",
        ],
    )
    async def test_a_guess_is_refused(self, site, path):
        """Also the address of another twin: whoever knows one knows nothing of the others."""
        told(await send(site, path, SHUTDOWN), 401, "webhook_refused")
        assert site.world.gate.hinted == []

    async def test_what_is_no_end_is_heard_and_left(self, site):
        """A transcript that is ready costs nothing."""
        ready = {"event_type": "application.transcription_ready", "properties": {"transcript": []}}

        assert (await send(site, address(), ready)).status == 204
        assert site.world.gate.hinted == []

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"{}", b'{"event_type":1}'])
    async def test_what_is_no_event_is_told_so(self, site, content):
        """The vendor's format has changed: somebody must see it."""
        told(await send(site, address(), content), 400, "malformed_command")

    async def test_it_is_bounded(self, site):
        """Nobody fills our memory."""
        large = io.BytesIO(b"x" * (body.BYTES_MAX + 1))
        answer = await site.ask_raw("POST", address(), MEDIA_TYPE, large)
        told(answer, 413, "body_too_large")

    async def test_without_the_bus_it_is_asked_for_again(self, site):
        """The vendor repeats what was not taken."""
        site.world.gate.fault = unverified()
        told(await send(site, address(), SHUTDOWN), 503, "gate_unavailable")


class TestLiveKit:
    async def test_a_signed_event_has_reconciliation_look_there(self, site):
        """Whose room it is stands in its name."""
        answer = await send(site, LIVEKIT.path, LEFT, Authorization=signed(site, LEFT))

        assert (answer.status, answer.body) == (204, b"")
        assert site.world.gate.hinted == [(OWN, "livekit")]

    @pytest.mark.parametrize(
        "forged",
        [
            {"secret": "another-secret-of-32-bytes-or-more-0815"},
            {"key": "APIother"},
            {"after_s": -3_600},
            {"after_s": 3_600},
            {"over": b"another body"},
        ],
    )
    async def test_what_livekit_did_not_sign_is_refused(self, site, forged):
        """Another key, an old event, another body."""
        authorization = signed(site, LEFT, **forged)
        answer = await send(site, LIVEKIT.path, LEFT, Authorization=authorization)

        told(answer, 401, "webhook_refused")
        assert site.world.gate.hinted == []

    async def test_nothing_signed_is_refused(self, site):
        """No token, and one that is none."""
        told(await send(site, LIVEKIT.path, LEFT), 401, "webhook_refused")
        answer = await send(site, LIVEKIT.path, LEFT, Authorization="Bearer x")
        told(answer, 401, "webhook_refused")

    @pytest.mark.parametrize(
        "content",
        [
            {**LEFT, "event": "participant_joined"},
            {**LEFT, "room": {"name": "somebody else's"}},
            {**LEFT, "room": {"name": "vito:production:cantor.42"}},
            {"event": "room_finished"},
        ],
    )
    async def test_what_is_not_ours_or_no_end_is_heard_and_left(self, site, content):
        """The account may be shared with others."""
        answer = await send(site, LIVEKIT.path, content, Authorization=signed(site, content))

        assert answer.status == 204
        assert site.world.gate.hinted == []


async def test_nobody_is_heard_where_nothing_is_configured(two_twins):
    """Without a secret every address would be right."""
    world = World()
    async with standing(two_twins, world) as site:
        told(await send(site, address(), SHUTDOWN), 404, "webhook_not_heard")
        told(await send(site, LIVEKIT.path, LEFT), 404, "webhook_not_heard")
    assert world.gate.hinted == []
