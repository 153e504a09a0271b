"""Rooms over HTTP: an invitation says who may come, what the agent is told, and nothing more."""

import json
from datetime import timedelta

import jwt
import pytest

from contracts.agent_job import agent_name, job_of
from services.distribution.media_key import MediaKey
from services.http_door.rooms import Rooms
from services.secret import Secret
from tests.http_door.conftest import OTHER, OWN, standing
from tests.http_door.doors import ROOMS_SECRET, World
from tests.http_door.people import NOW_US, bearer
from tests.http_door.test_commands import told
from tests.http_door.test_visitors import PAGE, key, mint  # noqa: F401 - a fixture
from tests.query_api.conftest import KEY
from tests.query_api.test_openapi import valid

PATH = f"/v1/tenants/{OWN}/rooms"
TWO_MINUTES = timedelta(minutes=2)


def claims_of(answer):
    """What LiveKit reads of the token."""
    options = {"verify_exp": False, "verify_nbf": False}
    return jwt.decode(answer["token"], ROOMS_SECRET.reveal(), algorithms=["HS256"], options=options)


def job_in(answer):
    (agent,) = claims_of(answer)["roomConfig"]["agents"]
    assert agent["agentName"] == agent_name("test")
    return job_of(agent["metadata"])


async def test_a_visitor_is_invited_as_themselves_and_not_above_their_ceiling(site, key):  # noqa: F811
    """Their session is theirs, asked twice it is the same room, and nobody else's page asks."""
    ticket = (await mint(site, bearer(key))).json
    shown = bearer(ticket["token"])
    invited = await site.ask("POST", PATH, shown | {"Origin": PAGE}, {"modality": "video"})
    again = await site.ask("POST", PATH, shown | {"Origin": PAGE}, {})

    assert invited.status == 200, invited.body
    assert invited.headers["Cache-Control"] == "no-store"
    answer = invited.json
    valid({"$ref": "#/components/schemas/contracts.RoomInvitation"}, answer)
    visitor = ticket["visitor_id"]
    job = job_in(answer)
    assert (job.tenant, job.session_id, job.deployment) == (OWN, visitor, "web")
    assert (job.modality, job.on_behalf) == ("text", f"visitor_{visitor}")
    assert job.visitor == answer["identity"] == claims_of(answer)["sub"]
    assert again.json["room"] == answer["room"] == claims_of(answer)["video"]["room"]
    for origins in ({}, {"Origin": "https://elsewhere.example"}):
        told(await site.ask("POST", PATH, shown | origins, {}), 403, "origin_not_allowed")


async def test_a_service_gets_a_new_session_each_time_in_its_own_name(site):
    """With the right to make calls; what belongs on no page is not taken from one."""
    text = site.world.directory.add_key(OWN, "calls")
    shown, wanted = bearer(text), {"modality": "video", "deployment": "web", "language": "es-MX"}
    first, second = [(await site.ask("POST", PATH, shown, wanted)).json for _ in range(2)]

    job = job_in(first)
    assert first["session_id"] != second["session_id"]
    assert first["room"] != second["room"]
    assert (job.modality, job.deployment, job.language) == ("video", "web", "es-MX")
    assert job.on_behalf == f"key_{text.split('_')[2]}"
    told(await site.ask("POST", PATH, shown | {"Origin": PAGE}, {}), 403, "origin_not_allowed")
    claims = claims_of(first)
    assert claims["exp"] * 1_000_000 == NOW_US + TWO_MINUTES // timedelta(microseconds=1)
    assert first["expires_at_us"] == claims["exp"] * 1_000_000
    assert claims["roomConfig"]["maxParticipants"] == 3
    assert "roomAdmin" not in json.dumps(claims)


@pytest.mark.parametrize("scope", ["ingest", "mint"])
async def test_who_may_not_make_calls_is_not_invited(site, scope):
    """Nor anybody into the room of another's twin."""
    text = site.world.directory.add_key(OWN, scope)
    told(await site.ask("POST", PATH, bearer(text), {}), 403, "caller_not_allowed")
    other = f"/v1/tenants/{OTHER}/rooms"
    told(await site.ask("POST", other, bearer(text), {}), 403, "caller_unknown")


async def test_what_is_wrong_with_a_request_is_named(site):
    """Field and rule."""
    for wrong, field in (
        ({"modality": "smell"}, "modality"),
        ({"deployment": "no such\nname"}, "deployment"),
        ({"voice": "v"}, "voice"),
        ({"language": "x" * 36}, "language"),
    ):
        refused = await site.ask("POST", PATH, bearer(KEY), wrong)
        told(refused, 400, "malformed_command")
        assert field in refused.body.decode()


@pytest.mark.parametrize(
    "rooms", [None, Rooms(MediaKey("wss://media.example", "APIkey", Secret("short")), "test")]
)
async def test_a_deployment_without_rooms_says_what_to_set(two_twins, rooms):
    """And not that something is broken; a key's secret is not in the words."""
    world = World()
    world.gate.provision(OWN)
    world.rooms = rooms
    async with standing(two_twins, world) as site:
        refused = await site.ask("POST", PATH, bearer(KEY), {})
    told(refused, 503, "rooms_not_configured")
    assert "VITO_LIVEKIT_URL" in refused.json["remedy"]
