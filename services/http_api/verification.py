"""
Verification: a twin's log proved because somebody asked for it on a page.

A prover does it (services/prover): the server never holds a key that opens the log. One at a time
for each twin, a few at once, each for a bounded time. What came of it is known until the server
stops; the proof can always be had anew.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, Literal, TypeAlias

from aiohttp import web
from pydantic import BaseModel, Field

from services import logs
from services.failure import Failure
from services.http_door.caller import CALLER
from services.http_door.doorman import Doorman
from services.http_door.endpoint import Endpoint, Handler
from services.prover.questions import VERIFY_S_MAX
from services.query_api.problems import (
    CALLER_NOT_ALLOWED,
    CALLER_UNKNOWN,
    OVERLOADED,
    HttpProblem,
)

RUNNING_MAX: Final = 2
WAITING_MAX: Final = 16
REMEMBERED_MAX: Final = 256

Progress: TypeAlias = Callable[[int, int], None]
Run: TypeAlias = Callable[[str, Progress], Awaitable[dict[str, Any]]]


class Verification(BaseModel):
    """The last verification of a twin's log. *outcome* is what `vito verify --json` says."""

    tenant: str
    state: Literal["none", "waiting", "running", "done", "failed"]
    position: int = Field(default=0, description="the commit that it has come to")
    last: int = Field(default=0, description="the last commit when it began")
    began_at_us: int | None = None
    ended_at_us: int | None = None
    outcome: dict[str, Any] | None = Field(
        default=None, description="of a finished one: each area proved or not, and the findings"
    )
    problem: str | None = Field(default=None, description="why there is no outcome")


_PATH: Final = "/v1/tenants/{tenant}/verification"
_ABOUT: Final = ("budget", "show")
_PROBLEMS: Final = (CALLER_UNKNOWN, CALLER_NOT_ALLOWED)
SHOW: Final = Endpoint(
    "GET",
    _PATH,
    "readVerification",
    "The last verification of a twin's log: how far it is, or what came of it.",
    Verification,
    problems=_PROBLEMS,
    about=_ABOUT,
)
BEGIN: Final = Endpoint(
    "POST",
    _PATH,
    "beginVerification",
    "Begin to prove a twin's log, unless that is under way.",
    Verification,
    problems=(*_PROBLEMS, OVERLOADED),
    about=_ABOUT,
)
ENDPOINTS: Final = (SHOW, BEGIN)


class Verifications:
    """Those of one server. *run* proves one log and tells how far it is; it raises Failure."""

    def __init__(self, run: Run, doorman: Doorman) -> None:
        self._run = run
        self._doorman = doorman
        self._known: OrderedDict[str, Verification] = OrderedDict()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Semaphore(RUNNING_MAX)

    def handlers(self) -> Mapping[Endpoint, Handler]:
        """Who answers."""
        return {SHOW: self._show, BEGIN: self._begin}

    async def close(self) -> None:
        """Stop all of them."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _show(self, request: web.Request) -> web.StreamResponse:
        tenant = request.match_info["tenant"]
        await self._doorman.check_right(request[CALLER], tenant, *SHOW.about)
        return _respond(self._known.get(tenant) or Verification(tenant=tenant, state="none"))

    async def _begin(self, request: web.Request) -> web.StreamResponse:
        tenant = request.match_info["tenant"]
        await self._doorman.check_right(request[CALLER], tenant, *BEGIN.about)
        if tenant not in self._tasks:
            if len(self._tasks) >= RUNNING_MAX + WAITING_MAX:
                raise HttpProblem(OVERLOADED, "Too many verifications are waiting.")
            found = self._known[tenant] = Verification(tenant=tenant, state="waiting")
            self._known.move_to_end(tenant)
            self._forget()
            self._tasks[tenant] = asyncio.create_task(self._verify(found), name=f"verify-{tenant}")
        return _respond(self._known[tenant])

    def _forget(self) -> None:
        over = len(self._known) - REMEMBERED_MAX
        done = [tenant for tenant in self._known if tenant not in self._tasks]
        for tenant in done[: max(0, over)]:
            del self._known[tenant]

    async def _verify(self, found: Verification) -> None:
        def note(position: int, last: int) -> None:
            found.position, found.last = position, last

        try:
            async with self._turn:
                found.state, found.began_at_us = "running", _now_us()
                async with asyncio.timeout(VERIFY_S_MAX):
                    found.outcome = await self._run(found.tenant, note)
            found.state = "done"
        except (Failure, OSError, TimeoutError) as problem:
            found.state = "failed"
            found.problem = str(problem) or "It took longer than it may."
        except Exception as fault:  # noqa: BLE001 - nobody waits for this task
            logs.get().error("verification_failed", tenant=found.tenant, exc_info=fault)
            found.state, found.problem = "failed", "A fault in the server."
        finally:
            found.ended_at_us = _now_us()
            del self._tasks[found.tenant]


async def nobody(_tenant: str, _note: Progress) -> dict[str, Any]:
    """Of a server without a prover; raises Failure."""
    raise Failure("This server cannot verify logs.", "run `vito verify` where the keys are.")


def _respond(found: Verification) -> web.Response:
    is_under_way = found.state in ("waiting", "running")
    return web.Response(
        status=HTTPStatus.ACCEPTED if is_under_way else HTTPStatus.OK,
        body=found.model_dump_json().encode(),
        content_type="application/json",
    )


def _now_us() -> int:
    return time.time_ns() // 1_000
