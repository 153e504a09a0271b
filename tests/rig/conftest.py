"""What the tests of the rig itself need."""

from tests.rig.browser import browser, open_tab  # noqa: F401 - fixtures
