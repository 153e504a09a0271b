"""
The page that an invitation's link leads to: a password, and in.

The code stands after the `#`, which browsers send to nobody. A script of ours sends it to the API
itself, so what it says of addresses that guess counts for the address that guesses.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from services.console.asking import BASE, Ask
from services.console.once import JOIN_PATH

PATH: Final = JOIN_PATH
assert PATH.startswith(BASE)


def show(ask: Ask) -> web.Response:
    """Show the page, which is the same for everybody."""
    return ask.page("join.html")
