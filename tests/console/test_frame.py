"""What every page has: keys, forms sent twice, lost streams, ended sessions; no scripts needed."""

from msgspec.structs import replace
from playwright.async_api import expect

from contracts.tenant import ResumeTenant, SuspendTenant
from services.http_door import session


def _end_sessions(place, person):
    """Somebody else signs them out."""
    sessions = place.world.directory.sessions
    for name, one in sessions.items():
        if one.person == person:
            sessions[name] = replace(one, closed=True)


async def _something_happens(place):
    for command in (
        SuspendTenant(command_id="s", reason="tests"),
        ResumeTenant(command_id="r"),
    ):
        await place.world.gate.command("cantor", command, "person_owner")


def _only_of_streams(tab):
    """What the console of the browser says of a stream that breaks off is no fault of the page."""
    assert {error.partition(" (")[0] for error in tab.errors} <= {"[object Event]"}
    tab.errors.clear()


async def test_the_frame_is_used_with_the_keyboard_alone(place):
    """The first key leads past the frame; a menu opens, and closes with Escape or by going on."""
    tab = await place.tab("owner")
    page, keys = tab.page, tab.page.keyboard
    await page.goto(f"{place.url}/console/cantor")
    await keys.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    await expect(skip).to_be_focused()
    assert await skip.evaluate("(one) => getComputedStyle(one).outlineStyle") == "solid"
    await keys.press("Enter")
    await expect(page.locator("main")).to_be_focused()

    summary, panel = page.locator(".menu summary"), page.locator(".menu .panel")
    await expect(summary).to_contain_text("owner@example.com")
    await summary.focus()
    await keys.press("Enter")
    await page.get_by_label("Language").focus()
    await keys.press("Escape")
    await expect(panel).to_be_hidden()
    await expect(summary).to_be_focused()
    await keys.press("Enter")
    await expect(panel).to_be_visible()
    await page.get_by_label("Why").focus()
    await expect(panel).to_be_hidden()


async def test_a_form_that_is_sent_twice_is_one_command(place):
    """By a double click, and by going back and sending it again as it was."""
    tab = await place.tab("owner")
    await tab.page.goto(f"{place.url}/console/cantor")
    before = place.world.gate.state("cantor").position
    await tab.page.get_by_label("Why").fill("too loud")
    await tab.page.get_by_role("button", name="Suspend the twin").dblclick()
    await expect(tab.page.locator("#said")).to_contain_text("suspended")
    assert place.world.gate.state("cantor").position == before + 1

    # As a browser that keeps whole pages sends it: with the key of then, and other words.
    me = (await _me(tab))["csrf_token"]
    sent = {"csrf": me, "command": "a" * 24, "reason": "too loud"}
    for reason in ("too loud", "too loud", "too long"):
        answer = await tab.page.context.request.post(
            f"{place.url}/console/cantor/do/suspend",
            form=sent | {"reason": reason},
            headers={"Origin": place.url},
        )
    assert answer.status == 422
    assert "sent before with something else in it" in await answer.text()
    assert place.world.gate.state("cantor").position == before + 2


async def _me(tab):
    return await tab.page.evaluate("async () => (await fetch('/v1/me')).json()")


async def test_a_page_says_that_it_is_not_being_updated_and_goes_on_by_itself(place):
    """A notice while the stream is lost, and none once it is there again."""
    tab = await place.tab("viewer")
    lost = True

    async def stream(route):
        await (route.fulfill(status=503) if lost else route.continue_())

    await tab.page.route("**/changes", stream)
    await tab.page.goto(f"{place.url}/console/cantor")
    await expect(tab.page.locator("#stale")).to_be_visible()
    lost = False
    await expect(tab.page.locator("#stale")).to_be_hidden()
    await _something_happens(place)
    await expect(tab.page.locator("#live")).to_contain_text("position 3 of the log")
    _only_of_streams(tab)


async def test_what_is_being_written_outlives_the_end_of_a_session(place):
    """Who has written something is told to sign in beside it; their form is then as good as new."""
    tab = await place.tab("owner")
    page = tab.page
    await page.goto(f"{place.url}/console/cantor")
    why = page.get_by_label("Why")
    await why.fill("far too loud")
    _end_sessions(place, "owner")
    await _something_happens(place)
    await expect(page.locator("#signed-out")).to_be_visible()
    await expect(why).to_have_value("far too loud")

    # Sent all the same: it is shown, for nobody else has kept it.
    await page.get_by_role("button", name="Suspend the twin").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    await expect(page.get_by_label("reason")).to_have_value("far too loud")
    await expect(page.get_by_role("link", name="Sign in")).to_have_attribute(
        "href", "/sign-in?next=%2Fconsole%2Fcantor"
    )
    _only_of_streams(tab)


async def test_a_form_of_before_signing_in_again_is_kept_and_sent_once_more(place):
    """Another session has another proof; what was written is still there beside why."""
    tab = await place.tab("owner")
    page = tab.page
    await page.goto(f"{place.url}/console/cantor")
    await page.get_by_label("Why").fill("far too loud")
    secret = place.world.directory.add_session("owner")
    url = place.url.replace("http:", "https:")
    await page.context.add_cookies([{"name": session.COOKIE, "value": secret, "url": url}])
    await page.get_by_role("button", name="Suspend the twin").click()
    await expect(page.locator("#problem")).to_contain_text("older than your session")
    await expect(page.get_by_label("Why")).to_have_value("far too loud")
    assert place.world.gate.state("cantor").tenant.status == "active"
    await page.get_by_role("button", name="Suspend the twin").click()
    await expect(page.locator("#said")).to_contain_text("suspended")


async def test_who_has_written_nothing_is_sent_to_sign_in_when_the_session_ends(place):
    """And comes back to the page that they were looking at."""
    tab = await place.tab("viewer")
    await tab.page.goto(f"{place.url}/console/cantor")
    _end_sessions(place, "viewer")
    await _something_happens(place)
    await tab.page.wait_for_url(f"{place.url}/sign-in?next=%2Fconsole%2Fcantor")
    _only_of_streams(tab)


async def test_a_secret_is_shown_to_nobody_also_when_a_session_has_ended(place):
    """It is said that it is not shown; another site cannot have us show anything."""
    tab = await place.tab("owner")
    await tab.page.goto(f"{place.url}/console/cantor/integrations")
    await tab.page.locator("#f-name").fill("openai")
    await tab.page.locator("#f-value").fill("sk-never-again")
    _end_sessions(place, "owner")
    async with tab.page.expect_response("**/do/put") as response:
        await tab.page.get_by_role("button", name="Put it into the vault").click()
    text = await (await response.value).text()
    assert "openai" in text
    assert "A secret that you typed is not shown here." in text
    assert "sk-never-again" not in text

    elsewhere = await tab.page.context.request.post(
        f"{place.url}/console/cantor/do/suspend",
        form={"reason": "call +1 555"},
        headers={"Origin": "https://elsewhere.example"},
        max_redirects=0,
    )
    assert elsewhere.status == 303
    assert "555" not in await elsewhere.text()


async def test_everything_after_signing_in_works_without_scripts(place):
    """Forms, refusals, languages, and signing out."""
    tab = await place.tab("owner", java_script_enabled=False)
    page = tab.page
    await page.goto(f"{place.url}/console/cantor")
    await page.get_by_label("Why").fill("too loud")
    await page.get_by_role("button", name="Suspend the twin").click()
    await expect(page.locator("#said")).to_contain_text("every new call is refused")
    await page.get_by_role("link", name="Behaviour").click()
    await page.get_by_label("What the twin is told to be").fill("Greet {{nobody}}.")
    await page.get_by_role("button", name="Save as a new version").click()
    await expect(page.locator("#problem")).to_be_visible()
    await expect(page.get_by_label("What the twin is told to be")).to_have_value(
        "Greet {{nobody}}."
    )
    await page.locator(".menu summary").click()
    await page.get_by_label("Language").select_option("es")
    await page.get_by_role("button", name="Use").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Comportamiento")
    await page.locator(".menu summary").click()
    await page.get_by_role("button", name="Cerrar sesión").click()
    await page.wait_for_url(f"{place.url}/sign-in")
    await page.goto(f"{place.url}/console")
    await page.wait_for_url(f"{place.url}/sign-in?next=%2Fconsole")


async def test_an_address_without_a_page_is_explained_and_one_of_a_form_leads_to_its_page(place):
    """Nobody is shown what is meant for programs."""
    tab = await place.tab("owner")
    await tab.page.goto(f"{place.url}/console/cantor/nothing-here")
    await expect(tab.page.get_by_role("heading", level=2)).to_have_text("There is no such page.")
    await tab.page.goto(f"{place.url}/console/cantor/")
    assert tab.page.url == f"{place.url}/console/cantor"
    await tab.page.goto(f"{place.url}/console/cantor/do/suspend")
    assert tab.page.url == f"{place.url}/console/cantor"
    # Quotas that nobody has set, and of which nothing was used, are no figures.
    await expect(tab.page.get_by_role("heading", name="Quotas")).to_have_count(0)
