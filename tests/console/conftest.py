"""The console on a server whose tables follow the gate, opened in a real browser."""

import asyncio

import pytest

from services.audit.report import AREAS
from services.http_door import session
from tests.http_door.conftest import OTHER, OWN, SENTINEL, standing, tables  # noqa: F401 - fixtures
from tests.http_door.doors import World
from tests.http_door.previews import trying
from tests.projector.read_side import project
from tests.query_api.conftest import as_reader, written  # noqa: F401 - fixtures
from tests.rig.browser import browser, open_tab  # noqa: F401 - fixtures

ROLES = ("viewer", "editor", "approver", "owner")


class Place:
    """
    A site with two twins, `cantor` and `fernandez`, and somebody in each role of the first.

    What a command changes is in the tables before it is answered.
    """

    def __init__(self, site, filled, open_tab):  # noqa: F811 - a fixture
        self.site, self.world, self.tables = site, site.world, filled
        self.url = site.url
        self._open_tab = open_tab
        self._tabs = []
        self._projected = 0
        self._following = asyncio.Lock()
        self._command = self.world.gate.command
        self.world.gate.command = self._followed

    async def follow(self):
        """Have the tables follow."""
        # The door writes down whom it refuses beside what a test does.
        async with self._following:
            commits = list(self.world.gate.commits)
            if len(commits) > self._projected:
                await project(self.tables.connection, [commits[self._projected :]])
                self._projected = len(commits)

    async def _followed(self, tenant, command, principal):
        try:
            return await self._command(tenant, command, principal)
        finally:
            await self.follow()

    async def leave(self):
        """Close every page before the server goes: a page complains of a stream that breaks off."""
        for tab in self._tabs:
            await tab.page.close()

    async def tab(self, person=None, **options):
        """Open a tab in which *person* has signed in; without one nobody has."""
        tab = await self._open_tab(**options)
        self._tabs.append(tab)
        if person is not None:
            secret = self.world.directory.add_session(person)
            # The name says Secure, which Chromium takes only of such an address.
            secure_url = self.url.replace("http:", "https:")
            cookie = {"name": session.COOKIE, "value": secret, "url": secure_url}
            await tab.page.context.add_cookies([cookie])
        return tab


async def proved(tenant, note):
    """A verifier that finds nothing, but could not ask the gate."""
    note(1, 1)
    areas = {area: {"state": "proved", "detail": "1 commits"} for area in AREAS}
    areas["live"] = {"state": "not_checked", "detail": "the gate does not answer"}
    report = {"tenant": tenant, "findings": [], "findings_count": 0, **areas}
    return {"exit_code": 2, "streams": [], "tenants": [report], "took_s": 0.1}


@pytest.fixture
async def place(database, tables, open_tab):  # noqa: F811 - fixtures
    """See Place."""
    world = World()
    world.gate.provision(OWN)
    world.gate.provision(OTHER, name=SENTINEL)
    for role in ROLES:
        world.directory.add_person(role, {OWN: role})
    world.gate.admit(OWN, members={role: role for role in ROLES})
    world.directory.add_person("admin", {}, is_admin=True)
    async with standing(as_reader(database), world, verify=proved, preview=trying(world)) as site:
        found = Place(site, tables, open_tab)
        await found.follow()
        yield found
        await found.leave()
