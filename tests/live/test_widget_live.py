"""The talk page in a real Chromium with a microphone that plays a file: talk, hear, and see."""

from __future__ import annotations

import tempfile
import wave
from pathlib import Path

import pytest

from contracts.deployment import ChangeDeployment, DeploymentTerms
from contracts.policy import Quotas
from services.client.sender import new_id
from services.sandbox.voice import say
from tests.live.talking import until
from tests.rig.browser import chromium, open_tab

__all__ = ["open_tab"]

ASKED = "¿Qué opinás del clásico?"
HZ = 48_000
START, TALK = "button:has-text('Iniciar')", "button:has-text('Hablar')"
STATUS = "[role=status]"


@pytest.fixture(scope="module")
def browser():
    """A Chromium whose microphone asks a question, once, whenever it is opened."""
    with tempfile.TemporaryDirectory(prefix="vito-test-") as folder:
        path = Path(folder) / "asked.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(HZ)
            pause = bytes(2 * HZ // 2)
            file.writeframes(pause + say(ASKED, "visitor", HZ) + bytes(2 * HZ * 60))
        with chromium(
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={path}%noloop",
        ) as started:
            yield started


async def open_page(twin, tab, ceiling):
    """The gateway's own page of *twin*, in a conversation."""
    origin = twin.running.url.replace("127.0.0.1", "localhost")
    terms = DeploymentTerms(surface="web_widget", ceiling=ceiling, origins=[origin])
    changed = ChangeDeployment(command_id=new_id(), deployment="web", terms=terms)
    assert (await twin.gate.tell(changed)).status == 200
    await tab.page.goto(f"{origin}/talk/{twin.tenant}")
    await tab.page.locator(START).click()
    await tab.page.locator("textarea").wait_for()


def spoken_bytes(twin):
    [stream] = twin.gateway.streams._streams
    return stream._speech_bytes


async def test_a_person_talks_and_reads_what_was_understood(twin, open_tab):
    """
    Goal: held by keyboard, the button sends what is spoken; what was understood is shown and read
    aloud, and is answered; the page's strict policy stops none of it.
    Method: a file is the microphone; the sandbox's ear understands the sandbox's voice.
    """
    tab = await open_tab(permissions=["microphone"])
    page = tab.page
    await open_page(twin, tab, "voice")
    button = page.locator(TALK)
    await button.focus()
    await page.keyboard.down("Space")
    await page.locator(f"{STATUS} >> text=Te escucho").wait_for()
    assert await button.get_attribute("aria-pressed") == "true"
    # A little more than the question takes, as heard by the gateway.
    wanted = len(say(ASKED, "visitor", 16_000)) + 32_000
    await until(lambda: spoken_bytes(twin) >= wanted)
    await page.keyboard.up("Space")

    await page.locator("li.you").wait_for()
    await page.locator("[aria-live=polite] p").nth(1).wait_for(state="attached")
    assert await button.get_attribute("aria-pressed") == "false"
    shown = await page.locator("li.you span").last.text_content()
    # Of the way through a browser's audio the first letter may bear traces.
    assert shown.endswith(ASKED[-len("opinás del clásico?") :])
    read = await page.locator("[aria-live=polite] p").first.text_content()
    assert read == f"Entendido: {shown}"
    assert "clásico" in await page.locator("li.twin").inner_text()
    assert twin.calls("deepgram") == 1
    assert tab.refused == []


async def test_a_microphone_that_is_refused_is_said_and_one_can_write(twin, open_tab):
    """
    Goal: who does not allow the microphone is told so, for screen readers too, and can go on.
    Method: no permission; the button by a click; then a turn in writing.
    """
    tab = await open_tab(permissions=[])
    page = tab.page
    await open_page(twin, tab, "voice")
    await page.locator(TALK).click()
    await page.locator(f"{STATUS} >> text=no está permitido").wait_for()
    assert await page.locator(TALK).get_attribute("aria-pressed") == "false"
    await page.locator("textarea").fill("Hola")
    await page.keyboard.press("Enter")
    await page.locator("[aria-live=polite] p").wait_for(state="attached")

    assert twin.calls("deepgram") == 0


async def test_the_twin_is_seen_says_its_lines_and_is_gone_at_the_end(new_twin, open_tab):
    """
    Goal: the room of the video stands in the page, has joined, and says what the twin says; when
    the conversation is stopped the picture is gone.
    Method: a deployment with video on the sandbox's rooms; a turn; then the session is killed.
    """
    async with new_twin(quotas=Quotas(video_minute_units=5)) as twin:
        tab = await open_tab()
        page = tab.page
        await open_page(twin, tab, "video")
        room = page.frame_locator("iframe").frame_locator("iframe")
        await room.get_by_role("img").wait_for()
        (conversation,) = twin.sandbox.vendors["tavus"].conversations.values()
        await until(lambda: conversation.participants == 1)
        await page.locator("textarea").fill("Hola")
        await page.keyboard.press("Enter")
        await room.locator("p:not(:empty)").wait_for()
        await page.locator("[aria-live=polite] p").wait_for(state="attached")
        said = await room.locator("p").inner_text()

        assert said
        assert said in await page.locator("li.twin").inner_text()
        [stream] = twin.gateway.streams._streams
        assert (await twin.gate.kill_session(stream.session_id)).status == 200
        await page.locator("iframe").wait_for(state="detached")
        await until(lambda: conversation.ended_us and not conversation.participants)
        assert tab.refused == []
