"""Samples over HTTP: made once, played while they are kept, and refused in words."""

import asyncio

import pytest

from services.twins import booth as module
from services.twins.booth import KEPT_S, SOUND_S_MAX, Booth
from services.twins.calibration import NotCalibrated, Take
from tests.http_door.cast import cast
from tests.http_door.conftest import OTHER, OWN
from tests.http_door.people import bearer
from tests.http_door.test_commands import told
from tests.query_api.conftest import KEY

SAMPLES = f"/v1/tenants/{OWN}/twin/recordings"
MAKE = f"/v1/tenants/{OWN}/twin/make-samples"
HELD = f"{OWN}.7"


async def test_a_sample_is_made_heard_and_forgotten(site):
    """By whom it concerns; not in another twin, and no longer than it is said to be kept."""
    everybody = cast(site.world)
    spoken = Take(reservation_id=HELD, phrase="Gol!", pcm=bytes(3_000_000), sample_rate=24_000)

    async def make(keep):
        keep(spoken)

    site.world.maker.steps.append(make)
    told(await site.post(MAKE, everybody["viewer"], None), 403, "caller_not_allowed")
    made = (await site.post(MAKE, everybody["editor"], None)).json
    sound = f"{SAMPLES}/{HELD}/sound"
    heard = await site.get(sound, everybody["viewer"])
    elsewhere = f"/v1/tenants/{OTHER}/twin/recordings/{HELD}/sound"
    other = await site.get(elsewhere, bearer(KEY))

    assert (made["making"], made["takes"][0]["has_sound"]) == ("made", True)
    assert site.world.maker.asked == [OWN]
    assert heard.body[:4] == b"RIFF"
    assert len(heard.body) == 44 + SOUND_S_MAX * 48_000
    told(other, 404, "sample_gone")
    site.world.clock.pass_s(KEPT_S)
    assert (await site.get(SAMPLES, everybody["owner"])).json["takes"] == []
    told(await site.get(sound, everybody["owner"]), 404, "sample_gone")


@pytest.mark.parametrize("code", ["key_unusable", "failed", "monthly_hard_limit_reached"])
async def test_what_could_not_be_made_is_said_and_can_be_tried_again(site, code):
    """No key, a vendor that is down, no money: each with what to do."""
    owner = cast(site.world)["owner"]

    async def fail(_keep):
        raise NotCalibrated("Not now.", "Later.", code)

    site.world.maker.steps.append(fail)
    refused = (await site.post(MAKE, owner, None)).json
    again = (await site.post(MAKE, owner, None)).json

    assert (refused["making"], refused["code"]) == ("refused", code)
    assert refused["title"]
    assert refused["remedy"]
    assert again["making"] == "made"


async def test_so_many_twins_at_once_and_the_next_is_told_when(site, monkeypatch):
    """Each round is a line to a vendor and a minute and a half of somebody's patience."""
    monkeypatch.setattr(module, "AT_ONCE_MAX", 0)
    answer = await site.post(MAKE, cast(site.world)["owner"], None)

    told(answer, 503, "samples_wait")
    assert answer.headers["Retry-After"] == "60"
    assert site.world.maker.asked == []


async def test_a_round_that_takes_too_long_is_broken_off(site, monkeypatch):
    """A vendor that does not answer keeps nobody waiting for ever."""
    monkeypatch.setattr(module, "MAKING_S", 0.01)
    broken = asyncio.Event()

    async def hang(_keep):
        try:
            await asyncio.Event().wait()
        finally:
            broken.set()

    site.world.maker.steps.append(hang)
    shown = (await site.post(MAKE, cast(site.world)["owner"], None)).json

    assert (shown["making"], shown["code"]) == ("refused", "took_too_long")
    assert broken.is_set()


async def test_one_round_at_a_time():
    """Who asks meanwhile is told that it is under way, and nothing is made twice."""
    going, asked = asyncio.Event(), []

    async def make(tenant, _keep):
        asked.append(tenant)
        await going.wait()

    booth = Booth(make, lambda: 0.0, wait_s=0)
    first, second = await booth.make(OWN), await booth.make(OWN)
    going.set()
    await asyncio.gather(*booth._running.values())

    assert (first.making, second.making) == ("running", "running")
    assert asked == [OWN]
    assert booth.shown(OWN).making == "made"
