"""
How tests and people look into the sandbox and make it misbehave.

    GET    /_sandbox/calls?vendor=&operation=&since=   the calls, oldest first, 1,000 at a time
    GET    /_sandbox/counters                          how often each vendor answered how
    GET    /_sandbox/bills?vendor=                     what a vendor bills, by what it made
    GET    /_sandbox/faults                            what is set
    POST   /_sandbox/faults                            set one; see `services.sandbox.faults`
    DELETE /_sandbox/faults?vendor=                    clear them
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from itertools import islice

import msgspec
from aiohttp import web

from services.sandbox.faults import Fault, TooManyFaults
from services.sandbox.vendor import Frame, answer

CALLS_PER_PAGE = 1_000


class Control:
    """The control routes; *reckon* brings the ledger up to date."""

    def __init__(self, frame: Frame, vendors: Iterable[str], reckon: Callable[[], None]) -> None:
        self._frame = frame
        self._vendors = frozenset(vendors)
        self._reckon = reckon

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_sandbox/calls", self._calls),
            web.get("/_sandbox/counters", self._counters),
            web.get("/_sandbox/bills", self._bills),
            web.get("/_sandbox/faults", self._faults),
            web.post("/_sandbox/faults", self._set_fault),
            web.delete("/_sandbox/faults", self._clear_faults),
        ]

    async def _calls(self, request: web.Request) -> web.Response:
        self._reckon()
        query = request.query
        since = query.get("since", "0")
        if not (since.isascii() and since.isdigit()):
            return _wrong("since must be the number of a call")
        found = self._frame.ledger.calls(
            query.get("vendor", ""), query.get("operation", ""), int(since)
        )
        page = list(islice(found, CALLS_PER_PAGE))
        return answer({"calls": page, "total": self._frame.ledger.total})

    async def _counters(self, _request: web.Request) -> web.Response:
        return answer({"counters": self._frame.ledger.counters()})

    async def _bills(self, request: web.Request) -> web.Response:
        self._reckon()
        vendor = request.query.get("vendor", "")
        if vendor not in self._vendors:
            return _wrong(f"vendor must be one of {', '.join(sorted(self._vendors))}")
        ledger = self._frame.ledger
        return answer({"bills": ledger.bills(vendor), "total": ledger.bill(vendor)})

    async def _faults(self, _request: web.Request) -> web.Response:
        return answer({"faults": self._frame.faults.listed()})

    async def _set_fault(self, request: web.Request) -> web.Response:
        try:
            fault = msgspec.json.decode(await request.read(), type=Fault)
            if fault.vendor not in self._vendors:
                return _wrong(f"vendor must be one of {', '.join(sorted(self._vendors))}")
            self._frame.faults.add(fault)
        except (msgspec.MsgspecError, TooManyFaults) as problem:
            return _wrong(str(problem))
        return answer({"faults": self._frame.faults.listed()}, HTTPStatus.CREATED)

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._frame.faults.clear(request.query.get("vendor", ""))
        return web.Response(status=HTTPStatus.NO_CONTENT)


def _wrong(why: str) -> web.Response:
    return answer({"error": why}, HTTPStatus.UNPROCESSABLE_ENTITY)
