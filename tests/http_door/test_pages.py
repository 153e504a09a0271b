"""People sign in and out in a real browser; `open_tab` fails whatever writes an error."""

import pytest

from services.http_door.session import COOKIE
from services.http_door.sign_in_page import link
from tests.http_door.conftest import OWN
from tests.http_door.issued import issued_site
from tests.http_door.people import HOUR_US
from tests.http_door.test_oidc_bearer import invite

PASSWORD = "correct horse battery staple"
SIGNED_IN = "Signed in as ana@example.com."


@pytest.fixture
async def place(two_twins):
    """A site with Ana, who has a password, and is known to the issuer as well."""
    async with issued_site(two_twins, in_browser=True) as (site, issuer):
        site.world.directory.add_person("ana", {OWN: "editor"}, password=PASSWORD)
        yield site, issuer


async def sign_in(page, password=PASSWORD):
    await page.get_by_label("E-mail address").fill("ana@example.com")
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()


async def said(page, text):
    """Wait until the page says something."""
    await page.locator("#said", has_text=text).wait_for()


async def cookies(page):
    return {cookie["name"]: cookie for cookie in await page.context.cookies()}


async def test_a_wrong_password_is_said_and_the_right_one_signs_in_until_signing_out(
    place, open_tab
):
    """The form keeps the address and not the password; a reload keeps the session; out is out."""
    site, _ = place
    tab = await open_tab()
    page = tab.page
    await page.goto(f"{site.url}/sign-in")
    await said(page, "Sign in with your e-mail address")
    await sign_in(page, "wrong horse battery staple")
    await said(page, "the password or the link is wrong")
    assert await page.get_by_label("E-mail address").input_value() == "ana@example.com"
    assert await page.get_by_label("Password").input_value() == ""
    assert tab.refused == [(401, "/v1/sign-in")]

    await sign_in(page)
    await said(page, SIGNED_IN)
    assert not await page.get_by_label("Password").is_visible()
    assert await page.get_by_role("link").all_inner_texts() == ["Open the console"]
    cookie = (await cookies(page))[COOKIE]
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Lax")
    assert await page.evaluate("document.cookie") == ""

    await page.reload()
    await said(page, SIGNED_IN)
    await page.get_by_role("button", name="Sign out").click()
    await said(page, "Signed out.")
    assert await page.get_by_label("E-mail address").is_visible()
    assert await cookies(page) == {}
    assert all(session.closed for session in site.world.directory.sessions.values())
    assert tab.refused == [(401, "/v1/sign-in")]


async def test_a_one_time_link_signs_in_once_and_leaves_no_trace_in_the_address(place, open_tab):
    """A second browser that finds it is told so, and may use the form."""
    site, _ = place
    soon_us = site.world.clock() + HOUR_US
    address = link(site.url, site.world.directory.add_link("ana", expires_at_us=soon_us))
    first, second = await open_tab(), await open_tab()
    await first.page.goto(address)
    await said(first.page, SIGNED_IN)
    assert first.page.url == f"{site.url}/sign-in"
    await second.page.goto(address)
    await said(second.page, "the link is wrong")

    assert await second.page.get_by_label("E-mail address").is_visible()
    assert second.refused == [(401, "/v1/sign-in/link")]


async def test_somebody_goes_to_the_issuer_and_comes_back_signed_in(place, open_tab):
    """Across two sites, and nothing of it stays in the address or beside the session."""
    site, issuer = place
    invite(site, **{OWN: "editor"})
    tab = await open_tab()
    await tab.page.goto(f"{site.url}/sign-in")
    await tab.page.get_by_role("link", name="Sign in with your organisation").click()
    await said(tab.page, "Signed in as ana@example.org.")

    assert tab.page.url == f"{site.url}/sign-in"
    assert list(await cookies(tab.page)) == [COOKIE]
    assert [form["grant_type"] for form in issuer.exchanged] == ["authorization_code"]
    assert tab.refused == []


async def test_whom_nobody_invited_is_told_so_on_the_page(place, open_tab):
    """And can go on with the form; the code is out of the address."""
    site, issuer = place
    issuer.claims = {"email": "eve@example.org"}
    tab = await open_tab()
    await tab.page.goto(f"{site.url}/sign-in")
    await tab.page.get_by_role("link", name="Sign in with your organisation").click()
    await said(tab.page, "Nobody of this name has an account here")

    assert tab.page.url == f"{site.url}/sign-in"
    assert tab.refused == [(401, "/sign-in/oidc/callback")]
    assert await cookies(tab.page) == {}
    await sign_in(tab.page)
    await said(tab.page, SIGNED_IN)


async def test_without_an_issuer_there_is_no_way_to_it(site, open_tab):
    """A button that leads to an error helps nobody."""
    tab = await open_tab()
    await tab.page.goto(f"{site.url}/sign-in")

    assert not await tab.page.get_by_text("Sign in with your organisation").is_visible()
    assert await tab.page.get_by_role("button", name="Sign in").is_visible()
