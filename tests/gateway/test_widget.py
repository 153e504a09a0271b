"""The widget in a real browser: on a page that is on the list, and on one that is not."""

import asyncio
import os
import struct
from contextlib import AsyncExitStack

import msgspec
import pytest
from aiohttp import web

from contracts.access import OPERATOR
from contracts.stream import AudioPiece, Notice, TextPiece, TurnEnded, TurnStarted
from contracts.views import DeploymentView
from services.distribution.embed import embed_code
from tests.gateway.conftest import DISCLOSURE, OWN, standing
from tests.gateway.talker import happens
from tests.rig.browser import browser, open_tab

__all__ = ["browser", "open_tab"]

INPUT, SEND = "textarea", "button[type=submit]"
NOTE_SOUND = """
window.sounded = [];
const make = AudioContext.prototype.createBuffer;
AudioContext.prototype.createBuffer = function (channels, samples, hz) {
  window.sounded.push([samples, hz]);
  return make.call(this, channels, samples, hz);
};
"""
START = "button:has-text('Iniciar')"


@pytest.fixture
def shots():
    """Keep a picture for a person to look at, where VITO_TEST_SHOTS says."""

    async def keep(page, name):
        folder = os.environ.get("VITO_TEST_SHOTS")
        if folder:
            await page.screenshot(path=f"{folder}/{name}.png")

    return keep


class Site:
    """A page of somebody else, on an origin of its own, with a strict policy."""

    def __init__(self, world):
        self.world = world
        self.html = ""
        self.url = ""

    async def start(self, stack):
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_get("/favicon.ico", self._nothing)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://localhost:{runner.addresses[0][1]}"
        return self

    async def _nothing(self, _request):
        return web.Response(status=204)

    async def _page(self, _request):
        platform = self.world.platform
        policy = (
            f"default-src 'none'; script-src {platform};"
            f" connect-src {platform} {platform.replace('http', 'ws')}"
        )
        return web.Response(
            text=self.html,
            content_type="text/html",
            headers={"Content-Security-Policy": policy},
        )


@pytest.fixture
async def sites():
    """A gateway, and two pages with the same snippet, of which the first is on the list."""
    async with standing(ping_s=1_000) as world, AsyncExitStack() as stack:
        allowed, other = [await Site(world).start(stack) for _ in range(2)]
        await world.deploy(origins=[allowed.url])
        view = msgspec.convert(await world.gate.show(OWN, "deployment", OPERATOR), DeploymentView)
        world.platform = world.running.url.replace("127.0.0.1", "localhost")
        snippet = embed_code(OWN, view.deployments[0], platform=world.platform)
        snippet = snippet.replace("<div ", '<div data-vito-value-user_name="Ana" ', 1)
        for site in (allowed, other):
            site.html = (
                "<!doctype html><html lang=es><meta name=viewport"
                " content='width=device-width'><title>Gol</title>"
                f"<body><h1>El partido</h1>{snippet}</body></html>"
            )
        allowed.other = other
        yield allowed


async def test_somebody_talks_with_a_twin_on_an_allowed_page_and_on_no_other(
    sites, open_tab, shots
):
    """
    Goal: disclosure first, then a conversation, by keyboard alone, under a strict policy.
    Method: a real page in Chromium; the fixture fails on any error in its console.
    """
    world = sites.world
    tab = await open_tab(viewport={"width": 360, "height": 640})
    page = tab.page
    await page.goto(sites.url)
    before = await page.locator(".vito-disclosure").inner_text()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.locator(INPUT).wait_for()
    await happens(lambda: world.conversation.shown == [1])
    assert before.strip() == DISCLOSURE.text
    assert (await page.locator("section .disclosure").inner_text()).strip() == DISCLOSURE.text
    assert await page.evaluate("document.activeElement.shadowRoot.activeElement.id") == "say"

    await page.keyboard.type("¿Cómo va <b>el partido</b>?")
    await page.keyboard.press("Enter")
    await page.locator("li.twin").wait_for()
    live = page.locator("[aria-live=polite] p")
    await live.wait_for(state="attached")

    assert world.conversation.said == [("t1", "¿Cómo va <b>el partido</b>?")]
    assert world.conversation.opening.modality == "voice"
    assert world.conversation.opening.values == {"user_name": "Ana"}
    assert await live.text_content() == "¿Cómo va <b>el partido</b>?"
    assert await page.locator("li.you span").last.text_content() == "¿Cómo va <b>el partido</b>?"
    assert tab.refused == []
    await shots(page, "allowed-phone")
    await _refused_elsewhere(sites, await open_tab(), shots)


async def _refused_elsewhere(sites, tab, shots):
    """The same snippet on another page: a message, no conversation. The browser complains too."""
    page = tab.page
    await page.goto(sites.other.url)
    await page.locator(START).click()
    await page.locator("[role=status] >> text=no está permitido en esta página").wait_for()
    await shots(page, "elsewhere")

    assert await page.locator(INPUT).is_hidden()
    assert len(sites.world.conversations.opened) == 1
    assert any("CORS policy" in error for error in tab.errors)
    tab.errors.clear()


async def test_voice_notices_and_a_lost_connection(sites, open_tab, shots):
    """It plays what it hears, says what changes, comes back by itself, and ends with a reason."""
    world = sites.world
    go = asyncio.Event()

    async def spoken(conversation, turn, _text):
        tone = struct.pack("<800h", *(8_000 if n // 20 % 2 else -8_000 for n in range(800)))
        conversation.tell(TurnStarted(turn=turn), TextPiece(turn=turn, text="¡Goo"))
        conversation.tell(AudioPiece(pcm=tone, sample_hz=24_000))
        await go.wait()
        conversation.tell(
            TextPiece(turn=turn, text="ol!"),
            Notice(code="quota_voice", message="Seguimos por texto.", modality="text"),
            TurnEnded(turn=turn, outcome="done"),
        )

    world.conversations.script = spoken
    tab = await open_tab(color_scheme="dark", viewport={"width": 800, "height": 600})
    page = tab.page
    await page.add_init_script(NOTE_SOUND)
    await page.goto(sites.url)
    await page.locator(START).click()
    await page.locator(INPUT).fill("¿Gol?")
    await page.locator(SEND).click()
    await page.locator("li.twin >> text=¡Goo").wait_for()
    # The connection breaks in the middle of the answer.
    [stream] = world.gateway.streams._streams
    stream.line._request.transport.abort()
    await happens(lambda: stream.line is None)
    go.set()
    await page.locator("li.twin >> text=¡Goool!").wait_for()
    await page.locator("li.notice >> text=Seguimos por texto.").wait_for()

    assert len(world.conversations.opened) == 1
    assert await page.locator("li.twin").count() == 1
    # Once, although it was sent again.
    assert await page.evaluate("window.sounded") == [[800, 24_000]]
    assert await page.get_by_role("button", name="Silenciar").is_visible()
    await shots(page, "allowed-dark")
    world.clock.pass_s(world.limits.idle_s)
    world.gateway.check()
    await page.locator("[role=status] >> text=nadie dijo nada").wait_for()
    assert await page.get_by_role("button", name="Empezar de nuevo").is_visible()
