"""What the tests of `vito up` need beside the servers that it starts itself."""

from tests.rig.browser import browser, open_tab  # noqa: F401 - fixtures
