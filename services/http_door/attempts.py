"""Attempts to sign in, counted by whom it is said to be and from where: who guesses must wait."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Final

from aiohttp import web

from services import logs
from services.http_door.slowing import Patience, Slowing, address_of
from services.query_api.problems import SIGN_IN_SLOWED, HttpProblem
from services.variables import Network

# A person mistypes; a list of leaked passwords does not stop at five.
BY_NAME: Final = Patience(free=5)
# Many people may share an address.
BY_ADDRESS: Final = Patience(free=50)


class Attempts:
    """The attempts at one server. *clock_s*: monotonic seconds."""

    def __init__(self, clock_s: Callable[[], float], proxies: Sequence[Network]) -> None:
        self._by_name = Slowing(BY_NAME, clock_s)
        self._by_address = Slowing(BY_ADDRESS, clock_s)
        self._proxies = proxies

    def begin(self, request: web.Request, name: str = "") -> str:
        """
        Count an attempt and return its address; raises HttpProblem (429) for one too many.

        *name*: whom it is said to be, empty when only the address tells.
        """
        address = address_of(request, self._proxies)
        wait_s = self._by_address.wait_s(_hidden(address))
        if name:
            wait_s = max(wait_s, self._by_name.wait_s(_hidden(name)))
        if wait_s > 0:
            logs.get().warning("sign_in_slowed", remote=address, wait_s=round(wait_s, 1))
            raise HttpProblem(
                SIGN_IN_SLOWED,
                "Too many attempts with this e-mail address or from this place.",
                headers={"Retry-After": str(math.ceil(wait_s))},
            )
        if name:
            self._by_name.begin(_hidden(name))
        self._by_address.begin(_hidden(address))
        return address

    def was_right(self, address: str, name: str = "") -> None:
        """Forget the attempts with this name, and take one back from the address."""
        if name:
            self._by_name.forget(_hidden(name))
        self._by_address.give_back(_hidden(address))


def _hidden(text: str) -> bytes:
    # A table of addresses and e-mails would be a list of people; and names have no bound.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
