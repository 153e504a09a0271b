"""
A real Chromium, started once per run; each test gets tabs with cookies of their own.

A conftest.py imports `browser` and `open_tab`. What a page writes into the console as an error,
what it throws and what its Content-Security-Policy stops makes the test fail; answers with 4xx or
5xx, which the console lists as well, are in `Tab.refused`, for the test to say which it expects.

    async def test_something(open_tab):
        tab = await open_tab()
        await tab.page.goto(url)

Playwright's own `Browser` belongs to the event loop of one test, so it is connected anew for each
(0.6 s); the process behind it stays.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import ConsoleMessage, Page, Response, async_playwright

from services.embedded.child import Child, Command
from services.embedded.polling import until

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = (
    "No Chromium on the PATH. `make test` installs it for root where there is apt-get; "
    f"otherwise install a package with one of these programs: {', '.join(NAMES)}."
)
STARTED_WITHIN_S = 60.0
# Of a machine that is busy with everything else.
PATIENCE_MS = 30_000
FLAGS = (
    "--headless",
    "--no-sandbox",  # root has none; every page here is ours
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",  # containers have little of it
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
# How Chromium tells of an answer with 4xx or 5xx.
_STATUS = "Failed to load resource: the server responded with a status of"


class Chromium:
    """The process, and where it is spoken to."""

    def __init__(self, directory: Path, *flags: str) -> None:
        program = next(filter(None, map(shutil.which, NAMES)), None)
        assert program is not None, MISSING
        self._said = directory / "DevToolsActivePort"
        self.child = Child.spawn(
            Command(
                "chromium",
                (program, *FLAGS, *flags, f"--user-data-dir={directory}", "about:blank"),
                directory / "chromium.log",
                env={**os.environ, "HOME": str(directory)},
            )
        )

    async def ready(self) -> None:
        """Wait until it can be spoken to."""

        async def has_said() -> bool:
            assert self.child.running, f"Chromium has ended:\n{self.child.log_tail()}"
            return self._said.exists() and self._said.read_text().count("\n") > 0

        await until(has_said, every_s=0.02, timeout_s=STARTED_WITHIN_S)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{int(self._said.read_text().split()[0])}"


class Tab:
    """A page with what went wrong on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.refused: list[tuple[int, str]] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("response", self._note)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(_STATUS):
            self.errors.append(f"{message.text} ({message.location.get('url')})")

    def _note(self, response: Response) -> None:
        if response.status >= 400:
            self.refused.append((response.status, urlsplit(response.url).path))


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    """One Chromium for the run."""
    with chromium() as started:
        yield started


@contextmanager
def chromium(*flags: str) -> Iterator[Chromium]:
    """Start one that also has these *flags*."""
    directory = Path(tempfile.mkdtemp(prefix="vito-test-"))
    started = Chromium(directory, *flags)
    try:
        asyncio.run(started.ready())
        yield started
    finally:
        started.child.kill()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
async def open_tab(browser):
    """Open a tab with no cookies; keywords are those of Playwright's `new_context`."""
    async with opening_tabs(browser) as opened:
        yield opened


@asynccontextmanager
async def opening_tabs(browser):
    """Do what `open_tab` does, for tests whose event loop is that of their module."""
    tabs: list[Tab] = []
    async with async_playwright() as playwright:
        connected = await playwright.chromium.connect_over_cdp(browser.url)
        contexts = []

        async def make(**options) -> Tab:
            contexts.append(await connected.new_context(**options))
            contexts[-1].set_default_timeout(PATIENCE_MS)
            tabs.append(Tab(await contexts[-1].new_page()))
            return tabs[-1]

        yield make
        for context in contexts:
            await context.close()
    assert [error for tab in tabs for error in tab.errors] == []
