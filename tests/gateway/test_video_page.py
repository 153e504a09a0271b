"""`/video`: any page may frame it, only the vendor's rooms stand in it, its script is exchanged."""

import aiohttp
import pytest
from aiohttp import web

from services.gateway.video_page import ROOMS, RoomScriptMissing, VideoPage


async def got(page, *paths):
    app = web.Application()
    app.router.add_routes(page.routes())
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with aiohttp.ClientSession() as session:
            answers = []
            for path in paths:
                async with session.get(base + path) as answer:
                    answers.append((answer.status, answer.headers, await answer.text()))
            return answers
    finally:
        await runner.cleanup()


async def test_it_lets_in_the_vendors_rooms_and_our_scripts_only():
    """The policy is what stands between a page's visitor and whatever a room's address says."""
    [(status, headers, text), *files] = await got(
        VideoPage(), "/video", "/video.js", "/video.css", "/room.js"
    )
    policy = headers["Content-Security-Policy"]

    assert status == 200
    assert f"frame-src {ROOMS};" in policy
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors *" in policy
    assert "<script>" not in text
    assert [status for status, _, _ in files] == [200, 200, 200]


async def test_a_deployment_joins_rooms_with_a_script_of_its_own(tmp_path):
    """What it names is served; what cannot be read is said when the gateway starts."""
    script = tmp_path / "room.js"
    script.write_text("window.vitoRoom = () => ({});")
    [(_, _, served)] = await got(VideoPage(room_script=script), "/room.js")

    assert served == script.read_text()
    with pytest.raises(RoomScriptMissing, match="cannot be read"):
        VideoPage(room_script=tmp_path / "none.js")
