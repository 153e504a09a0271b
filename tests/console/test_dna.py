"""DNA & onboarding: from a twin that was just provisioned to one that is on the air."""

import asyncio
import io
import wave

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec.structs import replace
from playwright.async_api import expect

from contracts.access import OPERATOR
from contracts.budget import AuthorizeCall, SettleCall
from contracts.twin import RecordSample, SetIdentity
from contracts.usage import Usage
from domain.refusals import BY_CODE
from services.console.calibration import address_in
from services.twins.booth import KEPT_S, words
from services.twins.calibration import NotCalibrated, Take
from tests.console.conftest import ROLES
from tests.domain.dna import identity
from tests.simulation.twins import provision

TWIN = "nova"


async def _begin(place):
    """A twin that can speak and was only provisioned, with somebody in each role and a key."""
    gate = place.world.gate
    plain = provision(5_000_000_000, 1_000)
    entry = replace(plain.price_book.entries[0], modality="voice")
    command = replace(
        plain,
        policy=replace(plain.policy, modalities=["voice", "text"]),
        price_book=replace(plain.price_book, entries=[entry, *plain.price_book.entries]),
        activation="after_sign_off",
    )
    await gate.command(TWIN, command, OPERATOR)
    people = {f"{TWIN}-{role}": role for role in ROLES}
    for person, role in people.items():
        place.world.directory.add_person(person, {TWIN: role})
    gate.admit(TWIN, members=people, keys={"k1": ["calls"]})


async def _sample(place, number, reference=None):
    """What a service with a key does; without a reference it is left to be recorded."""
    gate = place.world.gate
    call = AuthorizeCall(
        command_id=f"call-{number}",
        modality="voice",
        provider_id="p",
        sku="s",
        estimate=Usage(requests=1),
        purpose="calibration",
    )
    granted = await gate.command(TWIN, call, "key_k1")
    held = {"reservation_id": granted["reservation_id"]}
    settle = SettleCall(command_id=f"settle-{number}", usage=Usage(requests=1), **held)
    await gate.command(TWIN, settle, "key_k1")
    if reference is not None:
        record = RecordSample(command_id=f"record-{number}", reference=reference, **held)
        await gate.command(TWIN, record, "key_k1")
    return held["reservation_id"]


@pytest.fixture
async def recordings():
    """A vendor's server with a second of silence."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(16_000))

    async def sample(_request):
        return web.Response(body=made.getvalue(), content_type="audio/wav")

    app = web.Application()
    app.router.add_get("/{name}", sample)
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("/")).rstrip("/")


async def _fails_while_somebody_looks(place, page):
    """Nothing of it is in the log: the page asks again by itself."""
    going = asyncio.Event()

    async def fail(_keep):
        await going.wait()
        raise NotCalibrated("No key.", "Put it.", "key_unusable")

    place.world.maker.steps.append(fail)
    await page.get_by_role("button", name="Make the samples").click()
    await expect(page.get_by_text("Samples are being made now.")).to_be_visible()
    going.set()
    await expect(page.get_by_text(words("key_unusable")[0])).to_be_visible()


async def test_a_twin_is_onboarded_from_nothing_to_the_air(place, recordings, monkeypatch):
    """Editor, Approver and Owner each do their part; the samples are played; the gate is asked."""
    await _begin(place)
    tabs = {role: await place.tab(f"{TWIN}-{role}") for role in ("editor", "approver", "owner")}
    editor, approver, owner = (tabs[role].page for role in tabs)
    home = f"{place.url}/console/{TWIN}/dna"
    await owner.goto(home)
    await expect(owner.get_by_text("The twin has no identity yet.").first).to_be_visible()

    await editor.goto(f"{home}/identity")
    await editor.get_by_label("Tone").fill("Euphoric")
    await editor.get_by_label("Pacing").fill("Fast")
    await editor.get_by_label("Signature phrases").fill("¡Goooool!\n¡Goooool!")
    await editor.get_by_role("textbox", name="Language").fill("es-AR")
    await editor.get_by_role("button", name="Save as the draft").click()
    await expect(editor.locator("[id='fault-identity.signature_phrases']")).to_contain_text("once")
    await editor.get_by_label("Signature phrases").fill("¡Goooool!")
    await editor.get_by_role("button", name="Save as the draft").click()
    await expect(editor.locator("#said")).to_contain_text("Saved as version 1, the draft")

    await approver.goto(f"{home}/purpose")
    await approver.get_by_label("Audience").fill("Fans")
    await approver.get_by_label("Goal", exact=True).select_option("entertainment")
    await approver.get_by_label("Call to action").fill("Watch the match")
    await approver.get_by_role("button", name="Put this purpose in force").click()
    await approver.get_by_role("link", name="Next step").click()
    await approver.get_by_role("button", name="Begin a round of samples").click()
    await expect(approver.locator("#said")).to_contain_text("3 samples can be made")

    monkeypatch.setattr(place.world.booth, "_wait_s", 0)
    await _fails_while_somebody_looks(place, approver)

    async def make(keep):
        held = await _sample(place, 1, "vendor-name-1")
        keep(Take(reservation_id=held, phrase="Gol!", pcm=bytes(48_000), sample_rate=24_000))
        raise NotCalibrated("No money.", "Pay in.", "monthly_hard_limit_reached")

    place.world.maker.steps.append(make)
    await approver.get_by_role("button", name="Make the samples").click()
    limit = BY_CODE["monthly_hard_limit_reached"].message
    await expect(approver.get_by_text(limit)).to_be_visible()
    await _sample(place, 2, f"{recordings}/2.wav")
    await _sample(place, 3)
    await editor.goto(f"{home}/calibration")
    await editor.get_by_label("Where it can be seen or heard").fill(f"{recordings}/3.wav")
    await editor.get_by_role("button", name="Put it before the reviewer").click()
    # The approver's page has followed.
    await approver.get_by_role("link", name="To the mirror test").click()
    await expect(approver.get_by_text("This takes the role owner")).to_be_visible()

    await owner.goto(f"{home}/sign-off")
    # What was made from the page, and what a vendor keeps.
    for name in ("Sample 1", "Sample 2"):
        assert await owner.get_by_label(name, exact=True).evaluate(_LENGTH_S) == 1
    await expect(owner.get_by_text("Gol!", exact=True)).to_be_visible()
    place.world.clock.pass_s(KEPT_S)
    await owner.reload()
    await expect(owner.get_by_text("vendor-name-1")).to_be_visible()
    await owner.get_by_label("I have seen and heard the samples").check()
    await owner.get_by_role("button", name="Sign off and go live").click()
    await expect(owner.locator("#said")).to_contain_text("The twin is active")
    assert place.world.gate.state(TWIN).tenant.status == "active"
    # Only what was wrong in the identity was refused.
    assert [status for tab in tabs.values() for status, _ in tab.refused] == [422]


# Loads what a player plays, and tells how long it is.
_LENGTH_S = """player => new Promise((ready, failed) => {
  player.onloadedmetadata = () => ready(player.duration);
  player.onerror = () => failed(player.error.message);
  player.preload = "auto";
  player.load();
})"""


async def test_two_who_edit_the_identity_see_where_they_differ_and_refine(place):
    """What was written stays; pitch and speed are percent, and a draft of their own."""
    await _begin(place)
    tab = await place.tab(f"{TWIN}-editor")
    page = tab.page
    await page.goto(f"{place.url}/console/{TWIN}/dna/identity")
    command = SetIdentity(command_id="meanwhile", identity=identity(tone="Calm"))
    await place.world.gate.command(TWIN, command, f"person_{TWIN}-owner")
    for label, text in (("Tone", "Epic"), ("Pacing", "Slow"), ("Language", "es-MX")):
        await page.get_by_role("textbox", name=label, exact=True).fill(text)
    await page.get_by_role("button", name="Save as the draft").click()
    conflict = page.get_by_role("region", name="Somebody else has saved meanwhile")
    await expect(conflict.get_by_role("row", name="tone")).to_contain_text("Calm")
    await expect(page.get_by_label("Tone", exact=True)).to_have_value("Epic")
    await page.get_by_role("button", name="Save as the draft").click()
    await expect(page.locator("#said")).to_contain_text("Saved as version 2")

    await page.goto(f"{place.url}/console/{TWIN}/dna/calibration")
    await page.get_by_label("Pitch, in percent").fill("97.55")
    await page.get_by_role("button", name="Refine").click()
    await expect(page.locator("[id='fault-refinement.pitch_permille']")).to_be_visible()
    await page.get_by_label("Pitch, in percent").fill("97.5")
    await page.get_by_role("button", name="Refine").click()
    await expect(page.locator("#said")).to_contain_text("Version 3 is the draft")
    assert place.world.gate.state(TWIN).twin.draft.refinement.pitch_permille == 975


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "call_0123",
        "javascript:alert(1)",
        "data:audio/wav;base64,AAAA",
        "http://vendor.example/1.wav",
        "https://user:secret@vendor.example/1.wav",
        "https://vendor.example; script-src * /1.wav",
        "https://vendor.example,x/1.wav",
        "https://[bad/1.wav",
        "https:///1.wav",
    ],
)
def test_only_an_address_that_is_safe_is_played(reference):
    """A reference comes from outside: it opens nothing in the page's policy that it should not."""
    assert not address_in(reference)
    assert address_in("https://vendor.example/1.wav") == "https://vendor.example/1.wav"
