"""The browser of the tests really finds what goes wrong on a page."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

POLICY = {"Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'"}


@pytest.fixture
async def server():
    """A page with an inline script, which its policy forbids, and one that throws and asks."""

    async def page(_request):
        text = (
            "<title>Page</title><script>document.title = 'Inline'</script><script src=/x></script>"
        )
        return web.Response(text=text, content_type="text/html", headers=POLICY)

    async def script(_request):
        text = "fetch('/missing'); throw new Error('thrown by the page')"
        return web.Response(text=text, content_type="text/javascript")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/x", script)
    async with TestServer(app) as running:
        yield running


async def test_what_goes_wrong_on_a_page_is_heard(open_tab, server):
    """The control: a journey without errors says something only if errors would be found."""
    tab = await open_tab()

    await tab.page.goto(str(server.make_url("/")), wait_until="networkidle")

    assert await tab.page.title() == "Page"
    policy, thrown = sorted(tab.errors)
    assert "Content Security Policy" in policy
    assert "thrown by the page" in thrown
    assert (404, "/missing") in tab.refused
    tab.errors.clear()
