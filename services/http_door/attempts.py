"""Attempts to sign in, counted by whom it is said to be and from where: who guesses must wait."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from aiohttp import web

from services import logs
from services.http_door.address import address_of
from services.identity.slowing import Patience, Slowing
from services.query_api.problems import SIGN_IN_SLOWED, HttpProblem
from services.variables import Network

# A person mistypes; a list of leaked passwords does not stop at five.
BY_NAME: Final = Patience(free=5)
# Many people may share an address.
BY_ADDRESS: Final = Patience(free=50)
_US: Final = 1_000_000


class Attempts:
    """The attempts at one server. *clock_s*: monotonic seconds."""

    def __init__(self, clock_s: Callable[[], float], proxies: Sequence[Network]) -> None:
        def clock_us() -> int:
            return round(clock_s() * _US)

        self._by_name = Slowing(BY_NAME, clock_us)
        self._by_address = Slowing(BY_ADDRESS, clock_us)
        self._proxies = proxies

    def begin(self, request: web.Request, name: str = "") -> str:
        """
        Count an attempt and return its address; raises HttpProblem (429) for one too many.

        *name*: whom it is said to be, empty when only the address tells.
        """
        address = address_of(request, self._proxies)
        wait_us = self._by_address.wait_us(_hidden(address))
        if name:
            wait_us = max(wait_us, self._by_name.wait_us(_hidden(name)))
        if wait_us > 0:
            logs.get().warning("sign_in_slowed", remote=address, wait_ms=wait_us // 1_000)
            raise HttpProblem(
                SIGN_IN_SLOWED,
                "Too many attempts with this e-mail address or from this place.",
                headers={"Retry-After": str(-(-wait_us // _US))},
            )
        if name:
            self._by_name.count(_hidden(name))
        self._by_address.count(_hidden(address))
        return address

    def was_right(self, address: str, name: str = "") -> None:
        """Forget the attempts with this name, and take one back from the address."""
        if name:
            self._by_name.forget(_hidden(name))
        self._by_address.give_back(_hidden(address))


def _hidden(text: str) -> bytes:
    # A table of addresses and e-mails would be a list of people; and names have no bound.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
