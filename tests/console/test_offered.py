"""What is offered to whom is what `domain.rights` says, and what is not is refused all the same."""

import asyncio

import aiohttp
import pytest
from msgspec.structs import replace

from contracts.access import OPERATOR, ROLES
from contracts.price_book import SetPriceBook
from contracts.tenant import SuspendTenant
from contracts.twin import RecordSample
from domain import rights
from services.console.site import OWN_PAGES, PAGES
from services.http_door.session import COOKIE, csrf_token
from tests.console import lived
from tests.console.calls import KEY
from tests.console.forms_of import forms_of

# What each form asks for, by the pattern of its page and its name. `more` shows more rows of a
# form; `ANYBODY` is for what concerns nobody but whoever sends it.
ANYBODY = ("", "")
ASKS = {
    ("/console", "suspend"): ("tenant", "suspend"),
    ("/console", "resume"): ("tenant", "resume"),
    ("/console/-/new", "provision"): ("tenant", "provision"),
    ("/console/-/me", "password"): ANYBODY,
    ("/console/-/me", "end"): ANYBODY,
    ("/console/-/me", "end-others"): ANYBODY,
    ("", "kill"): ("session", "kill"),
    ("", "kill-all"): ("session", "kill_all"),
    ("", "suspend"): ("tenant", "suspend"),
    ("", "resume"): ("tenant", "resume"),
    ("dna/identity", "save"): ("twin", "set_identity"),
    ("dna/purpose", "save"): ("twin", "set_purpose"),
    ("dna/calibration", "begin"): ("twin", "begin_calibration"),
    ("dna/calibration", "make"): ("twin", "record_sample"),
    ("dna/calibration", "record"): ("twin", "record_sample"),
    ("dna/calibration", "refine"): ("twin", "refine"),
    ("dna/sign-off", "sign-off"): ("twin", "sign_off"),
    ("behaviour", "save"): ("prompt", "save"),
    ("behaviour", "more"): None,
    ("behaviour", "preview"): None,
    ("behaviour", "activate"): ("prompt", "activate"),
    ("behaviour", "revert"): ("prompt", "roll_back"),
    ("behaviour/topics", "save"): ("topics", "set"),
    ("behaviour/topics", "more"): None,
    ("behaviour/topics", "revert"): ("topics", "roll_back"),
    ("knowledge", "upload"): ("knowledge", "upload"),
    ("knowledge", "add"): ("knowledge", "add"),
    ("knowledge/sources/{source}", "approve"): ("knowledge", "approve"),
    ("knowledge/sources/{source}", "reject"): ("knowledge", "reject"),
    ("knowledge/sources/{source}", "retire"): ("knowledge", "retire"),
    ("knowledge/sources/{source}", "submit"): ("knowledge", "submit"),
    ("knowledge/sources/{source}", "upload"): ("knowledge", "upload"),
    ("integrations", "put"): ("secret", "put"),
    ("integrations", "rotate"): ("secret", "rotate"),
    ("integrations", "revoke"): ("secret", "revoke"),
    ("integrations", "test"): ("secret", "put"),
    ("integrations/prices", "set"): ("price_book", "set"),
    ("integrations/prices", "remove"): ("price_book", "set"),
    ("limits", "preview"): ("policy", "set"),
    ("limits", "save"): ("policy", "set"),
    ("limits", "top-up"): ("budget", "top_up"),
    ("limits/versions/{version}", "revert"): ("policy", "set"),
    ("distribution", "create"): ("deployment", "create"),
    ("distribution/{deployment}", "change"): ("deployment", "change"),
    ("distribution/{deployment}", "disclose"): ("deployment", "set_disclosure"),
    ("distribution/{deployment}", "enable"): ("deployment", "enable"),
    ("distribution/{deployment}", "disable"): ("deployment", "disable"),
    ("sessions/{session}", "kill"): ("session", "kill"),
    ("audit", "verify"): ("budget", "show"),
    ("people", "invite"): ("access", "invite"),
    ("people", "withdraw"): ("access", "withdraw"),
    ("people", "change-role"): ("access", "change_role"),
    ("people", "remove"): ("access", "remove_member"),
    ("people", "break-glass"): ("access", "break_glass"),
    ("people/keys", "issue"): ("access", "issue_key"),
    ("people/keys", "rotate"): ("access", "rotate_key"),
    ("people/keys", "revoke"): ("access", "revoke_key"),
}
PEOPLE = (*ROLES, "admin")
# Those of a twin by what follows its address, and those of none by the whole of theirs.
OWN = {path: page for first in OWN_PAGES for path, page in first.below("/console")}
ALL_PAGES = {path: page for first in PAGES for path, page in first.below("")} | OWN


def _actions():
    return {(path, name) for path, one in ALL_PAGES.items() for name in one.actions}


def test_it_is_written_down_what_every_form_asks_for():
    """A new form is held to the rights from its first day."""
    assert set(ASKS) == _actions()


def _may(person, noun, verb):
    if not noun:
        return True
    return (
        rights.admin_may(noun, verb) if person == "admin" else rights.role_may(person, noun, verb)
    )


def _reads(person, page):
    return _may(person, page.noun, page.verb)


class Browsing:
    """Everybody's pages, without a browser: forms as they are written into them."""

    def __init__(self, place):
        self.place = place
        directory = place.world.directory
        # Signed in twice: there is something that can be ended elsewhere.
        self.secrets = {one: directory.add_session(one) for one in (*PEOPLE, *PEOPLE)}

    async def get(self, person, address):
        """The status and text of a page."""
        of_twin = address if address.startswith("/") else f"/console/cantor/{address}"
        url = f"{self.place.url}{of_twin}".rstrip("/")
        headers = {"Cookie": f"{COOKIE}={self.secrets[person]}"}
        async with self.place.site.session.get(url, headers=headers) as response:
            return response.status, await response.text()

    async def post(self, person, action, fields):
        """The status and text of the answer to a form that they send with their own proof."""
        secret = self.secrets[person]
        own = {"csrf": csrf_token(secret), "command": f"{abs(hash((person, action))):024x}"[:24]}
        sent = [(name, own.get(name, value)) for name, value in fields]
        headers = {"Cookie": f"{COOKIE}={secret}", "Sec-Fetch-Site": "same-origin"}
        form = aiohttp.FormData()
        for name, value in sent:
            form.add_field(name, value, filename="rules.txt" if name == "file" else None)
        async with self.place.site.session.post(
            self.place.url + action, headers=headers, data=form, allow_redirects=False
        ) as response:
            return response.status, await response.text()

    async def offered(self, person):
        """Each form that a person is offered, with its address and fields."""
        found = {}
        own = [(path, page, path) for path, page in OWN.items()]
        for pattern, page, address in [*own, *lived.addresses(PAGES)]:
            status, text = await self.get(person, address)
            assert status == (200 if _reads(person, page) else 403), (person, address)
            for action, fields in forms_of(text):
                path = action.partition("#")[0].removeprefix("/console/cantor")
                below, _, name = path.rpartition("/do/")
                key = (below if below in OWN else _pattern_of(below.strip("/")), name)
                assert key in ASKS, (pattern, key)
                found.setdefault(key, (action, fields))
        return found


def _pattern_of(address):
    return next(pattern for pattern, _, one in lived.addresses(PAGES) if one == address)


async def _later(place):
    """Asleep, with all samples and a second price: what could not be offered before."""
    for number in (2, 3):
        await lived.sample(place, number)
    calls = sorted(place.world.gate.state("cantor").twin.calibration.calls)
    for number, call in enumerate(calls):
        held = f"cantor.{call}"
        command = RecordSample(
            command_id=f"r{number}", reservation_id=held, reference="https://a.example/1"
        )
        answer = await place.world.gate.command("cantor", command, KEY)
        assert answer["status"] == 200, answer
    prices = place.world.gate.state("cantor").prices.book
    two = [*prices.entries, replace(prices.entries[0], sku="other")]
    command = SetPriceBook(command_id="two", price_book=replace(prices, entries=two))
    assert (await place.world.gate.command("cantor", command, OPERATOR))["status"] == 200
    asleep = SuspendTenant(command_id="asleep")
    assert (await place.world.gate.command("fernandez", asleep, OPERATOR))["status"] == 200
    browsing = Browsing(place)
    _, text = await browsing.get("owner", "")
    suspend = next(one for one in forms_of(text) if one[0].endswith("/do/suspend"))
    assert (await browsing.post("owner", *suspend))[0] == 303


@pytest.fixture
async def browsing(place):
    """A twin with a past, and everybody who looks at it."""
    await lived.live(place)
    return Browsing(place)


async def test_what_is_offered_is_what_one_may_do(place, browsing):
    """In two states of the twin, in which together every form is there for somebody."""
    seen = set()
    for change in (None, _later):
        if change is not None:
            await change(place)
        offers = dict(
            zip(PEOPLE, await asyncio.gather(*map(browsing.offered, PEOPLE)), strict=True)
        )
        there = {key for found in offers.values() for key in found}
        seen |= there
        for person, found in offers.items():
            wanted = {key for key in there if _is_offered(person, key)}
            assert set(found) == wanted, (person, set(found) ^ wanted)
    assert seen == set(ASKS)


def _is_offered(person, key):
    path, _ = key
    asks = ASKS[key] or ASKS[path, "save"]
    return _reads(person, ALL_PAGES[path]) and _may(person, *asks)


async def test_what_is_not_offered_is_refused_and_explained(browsing):
    """A form that somebody else was offered, sent with one's own session: the API's 403."""
    offers = [await browsing.offered(person) for person in ("owner", "admin")]
    forms = offers[1] | offers[0]
    wrong, tried = [], 0
    for key, (action, fields) in forms.items():
        for person in PEOPLE:
            if ASKS[key] is None or _may(person, *ASKS[key]):
                continue
            tried += 1
            status, text = await browsing.post(person, action, fields)
            if status != 403 or 'id="problem"' not in text:
                wrong.append((person, key, status))
    assert wrong == []
    assert tried > len(ASKS)
