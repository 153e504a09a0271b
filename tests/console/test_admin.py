"""Platform super admins and accounts: twins are made and found, sessions are looked after."""

import pytest
from playwright.async_api import expect

from contracts.access import AcceptInvitation, InviteMember
from contracts.budget import AuthorizeCall
from contracts.usage import Usage
from services.console.me import device
from services.http_door import session
from tests.console.test_people import PASSWORD
from tests.http_door.people import AGENT, bearer, cookie


@pytest.fixture
async def platform(place):
    """The directory follows the invitations and members of any twin."""
    command = place.world.gate.command

    async def followed(tenant, sent, principal):
        reply = await command(tenant, sent, principal)
        if isinstance(sent, InviteMember) and reply["status"] == 200:
            place.world.directory.add_invitation(tenant, sent)
        if isinstance(sent, AcceptInvitation) and reply["status"] == 200:
            role = place.world.directory.invitations[sent.invitation_id].role
            place.world.directory.roles[sent.person] = {tenant: role}
        return reply

    place.world.gate.command = followed
    return place


async def _fill(page, **fields):
    for label, value in fields.items():
        await page.get_by_label(label.replace("_", " "), exact=False).first.fill(value)


async def test_an_admin_makes_a_twin_whose_owner_joins_and_signs_in(platform):
    """From the list to the Owner's own page; then it is found, suspended and woken in the list."""
    tab = await platform.tab("admin")
    page = tab.page
    await page.goto(f"{platform.url}/console")
    await page.get_by_role("link", name="New twin").click()
    await _fill(page, Name_in_addresses="Not A Name", Display_name="Eva", Organisation="Museum")
    await page.get_by_label("Hard limit").fill("250.5")
    await page.get_by_label("E-mail address").fill("eva@museum.example")
    make = page.get_by_role("button", name="Make the twin")
    await make.click()
    await expect(page.locator("#problem")).to_be_visible()
    await expect(page.get_by_label("Hard limit")).to_have_value("250.5")
    await page.get_by_label("Name in addresses").fill("eva")
    await make.click()
    link = (await page.locator("#secret").inner_text()).strip()
    policy = platform.world.gate.state("eva").policy.policy
    assert policy.budget.monthly_hard_limit_nanos == 250_500_000_000

    guest = await platform.tab()
    await guest.page.goto(link)
    await guest.page.get_by_label("Password").fill(PASSWORD)
    await guest.page.get_by_role("button", name="Join").click()
    await guest.page.wait_for_url("**/console/eva")
    await expect(guest.page.get_by_role("link", name="People and keys")).to_be_visible()

    await page.get_by_role("link", name="I have kept it").click()
    await expect(page.get_by_role("cell", name="owner").first).to_be_visible()
    await page.goto(f"{platform.url}/console")
    await page.get_by_label("Name or organisation").fill("MUSEUM")
    await page.get_by_role("button", name="Search").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.locator("summary", has_text="Suspend").click()
    await page.get_by_label("Why").fill("not paid")
    await page.get_by_role("button", name="Suspend Eva").click()
    row = page.locator("tbody tr", has_text="Eva")
    await expect(row).to_contain_text("not paid")
    await row.get_by_role("button", name="Wake Eva").click()
    await expect(row.locator(".state")).to_have_text("provisioned")
    assert [status for status, _ in tab.refused] == [422]


async def test_what_a_form_sends_twice_makes_one_twin_and_shows_one_link(platform):
    """Reloaded, it says that the link was shown; the twin is not made again."""
    tab = await platform.tab("admin")
    page = tab.page
    await page.goto(f"{platform.url}/console/-/new")
    await _fill(page, Name_in_addresses="eva", Display_name="Eva", Organisation="Museum")
    await page.get_by_label("E-mail address").fill("eva@museum.example")
    await page.get_by_role("button", name="Make the twin").click()
    await expect(page.locator("#secret")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", name="This form was sent before")).to_be_visible()
    await expect(page.get_by_role("cell", name="eva@museum.example")).to_have_count(1)


async def test_others_see_their_twins_and_make_none(platform):
    """What only an admin does is refused to them, with whom to ask."""
    tab = await platform.tab("owner")
    await tab.page.goto(f"{platform.url}/console")
    await expect(tab.page.locator("tbody tr")).to_have_count(1)
    await expect(tab.page.get_by_role("link", name="New twin")).to_have_count(0)
    await tab.page.goto(f"{platform.url}/console/-/new")
    await expect(tab.page.locator("#problem")).to_contain_text("Ask a platform super admin")


async def test_somebody_looks_after_their_account(platform):
    """Another session is ended, all are, and the password is changed by who knows it."""
    directory = platform.world.directory
    directory.add_person("owner", {"cantor": "owner"}, password=PASSWORD)
    elsewhere = [directory.add_session("owner") for _ in range(3)]
    tab = await platform.tab("owner")
    page = tab.page
    await page.goto(f"{platform.url}/console/-/me")
    await expect(page.get_by_role("rowheader", name="Firefox on Linux")).to_have_count(4)
    await expect(page.get_by_role("button", name="Sign out Firefox")).to_have_count(3)
    await page.get_by_role("button", name="Sign out Firefox").first.click()
    await expect(page.locator("#said")).to_have_text("That session has ended.")
    assert _open(directory, elsewhere) == 2
    await page.get_by_role("button", name="Sign out everywhere else").click()
    await expect(page.locator("#said")).to_have_text("Every other session has ended.")
    assert _open(directory, elsewhere) == 0

    await page.get_by_label("Password until now").fill("a wrong password")
    await page.get_by_label("New password", exact=True).fill("a new password of mine")
    await page.get_by_label("The new password once more").fill("a new password of mine")
    await page.get_by_role("button", name="Change the password").click()
    await expect(page.locator("#fault-current")).to_be_visible()
    assert "a new password of mine" not in await page.content()
    await page.get_by_label("Password until now").fill(PASSWORD)
    await page.get_by_label("New password", exact=True).fill("a new password of mine")
    await page.get_by_label("The new password once more").fill("another one of mine")
    await page.get_by_role("button", name="Change the password").click()
    await expect(page.locator("#fault-again")).to_be_visible()
    await page.get_by_label("Password until now").fill(PASSWORD)
    await page.get_by_label("New password", exact=True).fill("a new password of mine")
    await page.get_by_label("The new password once more").fill("a new password of mine")
    await page.get_by_role("button", name="Change the password").click()
    await expect(page.locator("#said")).to_contain_text("The password is another now")
    assert directory.accounts["owner"].password_hash == "hash:a new password of mine"


def _open(directory, secrets):
    return sum(not directory.sessions[session.hash_of(one)].closed for one in secrets)


async def test_a_key_that_was_revoked_opens_nothing_from_the_next_call_on(place):
    """Issued on the page and used; a moment after the button it is nobody's."""
    tab = await place.tab("owner")
    page = tab.page
    await page.goto(f"{place.url}/console/cantor/people/keys")
    await page.get_by_label("What it is for").fill("agent")
    await page.locator("input[value=calls]").check()
    await page.get_by_role("button", name="Issue, and show the key").click()
    await page.get_by_role("link", name="I have kept it").click()
    (key,) = place.world.gate.state("cantor").access.keys

    async def call(number):
        asked = AuthorizeCall(
            command_id=f"call-{number}",
            modality="text",
            provider_id="p",
            sku="s",
            estimate=Usage(requests=1),
        )
        return (await place.world.gate.command("cantor", asked, f"key_{key}"))["status"]

    assert await call(1) == 200
    await page.get_by_role("button", name="Revoke agent").click()
    await expect(page.locator("#said")).to_have_text("The key opens nothing any more.")
    assert await call(2) == 403


async def test_nobody_ends_the_session_of_somebody_else(place):
    """Nor one that there is not; a key has none at all."""
    directory = place.world.directory
    own, foreign = directory.add_session("owner"), directory.add_session("viewer")
    for wrong in (session.hash_of(foreign).hex(), "00" * 32, "x"):
        answer = await place.site.ask(
            "POST", "/v1/me/sessions/sign-out", cookie(own), {"session_id": wrong}
        )
        assert answer.status == 400
    assert not directory.sessions[session.hash_of(foreign)].closed
    listed = (await place.site.get("/v1/me/sessions", cookie(own))).json["items"]
    assert [one["is_this"] for one in listed] == [True]
    key = directory.add_key("cantor", "read")
    assert (await place.site.get("/v1/me/sessions", bearer(key))).json["items"] == []


def test_a_device_is_named_by_what_it_says():
    """The marks of several browsers are in most; the special one counts."""
    edge = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0"
    phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1"
    assert device(AGENT) == ("Firefox", "Linux")
    assert device(edge) == ("Edge", "Windows")
    assert device(phone) == ("Safari", "iOS")
    assert device("") == ("", "")
