"""
Whoever may not stay is disconnected: every server is asked for its connections (CONNZ), and those
of a revoked key, a removed member or a closed session are ended (KICK).

A change is chased three times: at once, and again for a login that was being answered in that very
moment and was on no list yet. Who was disconnected wrongly, because only the rights changed, comes
back at once with what they may do now. When changes may have been missed, everybody who is in is
looked up again; so it is at the start, after a lost connection, and each minute, for a server that
could not be reached when it was asked.
"""

from __future__ import annotations

import asyncio
import heapq
import json
from collections.abc import Awaitable, Callable, Iterable
from itertools import count
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from services import logs
from services.callout.admission import Change
from services.callout.connection_name import ConnectionName
from services.embedded.nats_config import ACCOUNT, AUTH_TIMEOUT_S
from services.failure import Failure

# The last one comes when no answer of before the change is waited for any more.
PASSES_S: Final = (0.0, 0.3, AUTH_TIMEOUT_S + 0.5)
# Many changes at once are one list.
PAUSE_S: Final = 0.05
AUDIT_EVERY_S: Final = 60.0
PAGE: Final = 1_024
SWEEPS_KEPT: Final = 64
_LIST: Final = "$SYS.REQ.SERVER.PING.CONNZ"

Verdict: TypeAlias = Callable[[ConnectionName], Awaitable[bool]]


class Bus(Protocol):
    """The part of a NATS connection in the system account that is used here."""

    def new_inbox(self) -> str: ...
    async def subscribe(self, subject: str, *, cb: Any) -> Any: ...
    async def publish(self, subject: str, payload: bytes, reply: str) -> None: ...


class _Connection(msgspec.Struct, frozen=True):
    cid: int
    authorized_user: str = ""


class _Page(msgspec.Struct, frozen=True):
    num_connections: int = 0
    offset: int = 0
    connections: list[_Connection] = []


class _Server(msgspec.Struct, frozen=True):
    id: str
    name: str


class _Answer(msgspec.Struct, frozen=True):
    server: _Server
    data: _Page | None = None


class Targets:
    """Whose connections are to be ended."""

    def __init__(self, changes: Iterable[Change]) -> None:
        self._principals: set[tuple[str, str]] = set()
        self._sessions: set[str] = set()
        for change in changes:
            match change.kind:
                case "key":
                    self._principals.add((f"key_{change.id}", ""))
                case "member" | "account":
                    self._principals.add((f"person_{change.id}", change.tenant))
                case "session":
                    self._sessions.add(change.id)

    async def hit(self, name: ConnectionName) -> bool:
        """Whether a connection is one of them."""
        return (
            (name.principal, "") in self._principals
            or (name.principal, name.tenant) in self._principals
            or (bool(name.session) and name.session in self._sessions)
        )


class Evictor:
    """
    Ends connections. *stands* says whether somebody who is in would be let in again.

    Use `start`, then `note` each change, and have `run` running.
    """

    def __init__(self, bus: Bus, stands: Callable[[ConnectionName], Awaitable[bool]]) -> None:
        self._bus = bus
        self._stands = stands
        self._due: list[tuple[float, int, Change | None]] = []
        self._numbers = count(1)
        self._noted = asyncio.Event()
        self._verdicts: dict[str, Verdict] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._inbox = ""

    async def start(self) -> None:
        """Begin to hear answers."""
        self._inbox = self._bus.new_inbox()
        await self._bus.subscribe(f"{self._inbox}.*", cb=self._receive)

    def note(self, change: Change) -> None:
        """Chase whoever a change concerns; of kind `unknown`: look everybody up again."""
        now_s = asyncio.get_running_loop().time()
        passes = (0.0,) if change.kind == "unknown" else PASSES_S
        for after_s in passes:
            what = None if change.kind == "unknown" else change
            heapq.heappush(self._due, (now_s + after_s, next(self._numbers), what))
        self._noted.set()

    def audit(self) -> None:
        """Look everybody who is in up again."""
        now_s = asyncio.get_running_loop().time()
        heapq.heappush(self._due, (now_s, next(self._numbers), None))
        self._noted.set()

    async def run(self) -> None:
        """Sweep when something is due, until cancelled."""
        loop = asyncio.get_running_loop()
        audit_s = loop.time()
        while True:
            if loop.time() >= audit_s:
                self.audit()
                audit_s = loop.time() + AUDIT_EVERY_S
            due = self._take_due(loop.time())
            if changes := [change for change in due if change is not None]:
                await self._sweep(Targets(changes).hit)
            if len(changes) < len(due):
                await self._sweep(self._would_be_refused())
            await self._until(min(audit_s, self._due[0][0] if self._due else audit_s))

    def _take_due(self, now_s: float) -> list[Change | None]:
        due = []
        while self._due and self._due[0][0] <= now_s:
            due.append(heapq.heappop(self._due)[2])
        return due

    async def _until(self, at_s: float) -> None:
        """Wait for the next pass, or for a change."""
        await asyncio.sleep(PAUSE_S)
        self._noted.clear()
        left_s = at_s - asyncio.get_running_loop().time()
        if left_s <= 0 or (self._due and self._due[0][0] < at_s):
            return
        try:
            async with asyncio.timeout(left_s):
                await self._noted.wait()
        except TimeoutError:
            return

    # -- one sweep -----------------------------------------------------------------

    async def _sweep(self, verdict: Verdict) -> None:
        token = str(next(self._numbers))
        self._verdicts[token] = verdict
        if len(self._verdicts) > SWEEPS_KEPT:
            # Late answers to it are not read any more.
            del self._verdicts[next(iter(self._verdicts))]
        await self._ask(token, {})

    async def _ask(self, token: str, page: dict[str, Any]) -> None:
        wanted = {"auth": True, "acc": ACCOUNT, "limit": PAGE, **page}
        await self._bus.publish(_LIST, json.dumps(wanted).encode(), reply=f"{self._inbox}.{token}")

    async def _receive(self, message: Any) -> None:
        token = message.subject.rpartition(".")[2]
        verdict = self._verdicts.get(token)
        if verdict is None:
            return
        task = asyncio.create_task(self._judge(token, verdict, message.data))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _judge(self, token: str, verdict: Verdict, data: bytes) -> None:
        try:
            answer = msgspec.json.decode(data, type=_Answer)
        except msgspec.DecodeError as problem:
            logs.get().warning("connections_not_listed", problem=str(problem))
            return
        server, page = answer.server, answer.data or _Page()
        if page.num_connections >= PAGE:
            only = {"server_name": server.name, "exact_match": True}
            await self._ask(token, {**only, "offset": page.offset + PAGE})
        for connection in page.connections:
            name = ConnectionName.read(connection.authorized_user)
            if name is not None and await verdict(name):
                await self._kick(server, connection.cid, name)

    async def _kick(self, server: _Server, cid: int, name: ConnectionName) -> None:
        logs.get().info(
            "bus_connection_ended", principal=name.principal, tenant=name.tenant, server=server.name
        )
        # The server does nothing without somewhere to answer; nobody reads that.
        await self._bus.publish(
            f"$SYS.REQ.SERVER.{server.id}.KICK",
            json.dumps({"cid": cid}).encode(),
            reply=f"{self._inbox}.kicked",
        )

    def _would_be_refused(self) -> Verdict:
        known: dict[ConnectionName, bool] = {}

        async def verdict(name: ConnectionName) -> bool:
            if name not in known:
                try:
                    known[name] = not await self._stands(name)
                except Failure:
                    # Nobody is thrown out because we cannot tell; the gate has a state of its own.
                    known[name] = False
            return known[name]

        return verdict
