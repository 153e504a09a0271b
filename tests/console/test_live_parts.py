"""Live parts: whoever works in one is not disturbed, and is told that it waits for them."""

import pytest
from playwright.async_api import expect

OPENING = '<div id="live"'
# What parts of pages are made of, in each rendering of the server.
PIECES = """
<details><summary>More</summary><p>of it</p></details>
<a href="?of=first">Look</a> <a href="?of=second">Look</a>
<form action="/nowhere"><input name="why" aria-label="why"><input type="checkbox" aria-label="sure">
<select aria-label="which"><option>one</option><option>two</option></select>
<button type="button">Press</button></form>
"""


# Says which state the page has heard of, whether it shows it or waits.
HEARING = """
document.body.addEventListener("htmx:afterRequest", (event) => {
  const heard = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html");
  document.body.dataset.heard = heard.querySelector(".card .state").textContent;
});
"""


class Watched:
    """The overview with PIECES in its live part, and somebody who makes the log move."""

    def __init__(self, page, acting):
        self.page, self.acting = page, acting
        self.live = page.locator("#live")
        self.state = page.locator(".card .state")
        self.notice = page.locator("#held")

    async def move(self, status):
        """Have the log move; return when the page has heard of it."""
        name = {"suspended": "Suspend the twin", "active": "Wake the twin"}[status]
        await self.acting.get_by_role("button", name=name).click()
        await expect(self.page.locator("body")).to_have_attribute("data-heard", status)
        await expect(self.acting.locator(".card .state")).to_have_text(status)


@pytest.fixture
async def watched(place):
    """See Watched."""
    viewer, owner = await place.tab("viewer"), await place.tab("owner")

    async def with_pieces(route):
        answer = await route.fetch()
        before, rest = (await answer.text()).split(OPENING, 1)
        opening, inside = rest.split(">", 1)
        body = f"{before}{OPENING}{opening}>{PIECES}{inside}"
        await route.fulfill(response=answer, body=body)

    address = f"{place.url}/console/cantor"
    await viewer.page.route(address, with_pieces)
    await viewer.page.goto(address)
    await viewer.page.evaluate(HEARING)
    await owner.page.goto(address)
    yield Watched(viewer.page, owner.page)
    await viewer.page.unroute_all(behavior="wait")


async def test_an_event_disturbs_neither_focus_nor_what_is_open_nor_a_press(watched):
    """Also what has no id, and the second of two that are alike in all but where they lead."""
    await watched.live.locator("summary").click()
    second = watched.live.get_by_role("link", name="Look").nth(1)
    await second.focus()
    await watched.move("suspended")

    await expect(watched.state).to_have_text("suspended")
    await expect(second).to_be_focused()
    await expect(watched.live.locator("details")).to_have_attribute("open", "")
    # Closed again, it stays closed.
    await watched.live.locator("summary").click()
    await watched.move("active")
    await expect(watched.state).to_have_text("active")
    await expect(watched.live.locator("details")).not_to_have_attribute("open", "")
    await expect(watched.notice).to_be_hidden()

    # A button is not replaced under the finger.
    button = watched.live.get_by_role("button", name="Press")
    await button.evaluate(
        "(one) => one.addEventListener('click', () => { document.title = 'pressed'; })"
    )
    await button.hover()
    await watched.page.mouse.down()
    await watched.move("suspended")
    await expect(watched.state).to_have_text("active")
    await expect(watched.notice).to_be_hidden()
    await watched.page.mouse.up()

    await expect(watched.page).to_have_title("pressed")
    await expect(watched.state).to_have_text("suspended")


async def test_a_part_waits_for_whoever_writes_in_it_and_says_so(watched):
    """An abandoned field, a choice and a tick hold it; it catches up when they are as they were."""
    field, tick, choice = (watched.live.get_by_label(name) for name in ("why", "sure", "which"))
    worked = (
        (field, lambda: field.fill("half a sent"), lambda: field.fill("")),
        (tick, tick.check, tick.uncheck),
        (choice, lambda: choice.select_option("two"), lambda: choice.select_option("one")),
    )
    shown, coming = "active", "suspended"
    for one, write, undo in worked:
        await write()
        await one.evaluate("(one) => one.blur()")
        await watched.move(coming)
        await expect(watched.notice).to_be_visible()
        await expect(watched.state).to_have_text(shown)
        await undo()
        await one.evaluate("(one) => one.blur()")
        await expect(watched.state).to_have_text(coming)
        await expect(watched.notice).to_be_hidden()
        shown, coming = coming, shown

    # Told that what they write is lost then, they may have it at once.
    await field.fill("half a sent")
    await watched.move(coming)
    await watched.page.get_by_role("button", name="Show it now").click()
    await expect(watched.state).to_have_text(coming)
    await expect(field).to_have_value("")
    await expect(watched.notice).to_be_hidden()
