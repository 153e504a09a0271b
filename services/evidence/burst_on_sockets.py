"""
EV-03 where visitors are: at the WebSocket of the gateway, with a twin that talks.

A hundred conversations ask within a second, at a limit of fifty calls. *Queue*: who has to wait is
told for how long, nobody is answered earlier than that, and the vendor is called at the pace of the
limit. *Drop*: all ask at once; who is refused is told when to come back, the conversation stays
open, and the next question is answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Any

import aiohttp
import msgspec

from contracts import stream
from contracts.policy import BudgetPolicy, Policy, RatePolicy
from contracts.price_book import PriceBook
from contracts.stream import Refused, Text, Throttled, TurnEnded, TurnStarted, Welcome
from services.client import GateClient
from services.evidence.burst import (
    INTERVAL_US,
    OFFERED,
    RATE,
    SENDING_US_MAX,
    SPACING_US,
    STARTED_MIN,
    TRIALS_MAX,
    US,
)
from services.evidence.exhibit import Exhibit, Expected
from services.evidence.hard_limit import DOLLAR
from services.evidence.target import NotTried, Target
from services.secret import Secret
from services.twins.prices import GPT_4O_MINI

HEARD_WITHIN_S = 30.0
MS = 1_000
DONE, REFUSED, UNANSWERED = "done", "refused", "unanswered"
METHOD = (
    "100 conversations over WebSockets of the gateway, by one API key; the language model is the"
    " vendor sandbox, which writes down when it was called. Queue: limit 50/s without burst, a"
    " question each 10 ms (open loop). Drop: limit 50/s with a burst of 50, all questions at once,"
    " and one more of a refused conversation after its Retry-After."
)


class Asked(msgspec.Struct, kw_only=True):
    """A question and what came of it. Microseconds by the clock of the machine; 0: it did not."""

    sent_us: int
    began_us: int = 0
    delay_ms: int = 0
    retry_after_ms: int = 0
    status: int = HTTPStatus.OK
    outcome: str = UNANSWERED


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a hundred questions showed; *calls_us* is when the vendor was called, in order."""

    asked: list[Asked]
    calls_us: list[int]

    @property
    def sending_us(self) -> int:
        """How long it took to send them."""
        return self.asked[-1].sent_us - self.asked[0].sent_us

    def count(self, outcome: str) -> int:
        """How many came to this."""
        return sum(one.outcome == outcome for one in self.asked)


def early_answers(asked: Sequence[Asked]) -> int:
    """Count answers that began before the delay that was told had passed since the question."""
    # The delay is told in whole milliseconds, rounded up.
    return sum(
        one.began_us - one.sent_us < (one.delay_ms - 1) * MS for one in asked if one.began_us
    )


def early_calls(seen: Seen) -> int:
    """
    Count vendor calls that no order of slots allows.

    The first slot is not before the first question; the call number k not before k intervals later.
    """
    first_us = seen.asked[0].sent_us
    return sum(
        called_us < first_us + number * INTERVAL_US
        for number, called_us in enumerate(seen.calls_us)
    )


def judge_pace(seen: Seen, expected: Expected) -> None:
    """Note what contradicts the claim however fast the questions were sent."""
    expected.equal("sockets, queue: questions answered", seen.count(DONE), OFFERED)
    expected.equal("sockets, queue: vendor calls", len(seen.calls_us), OFFERED)
    expected.equal("sockets, queue: vendor calls before their slot", early_calls(seen), 0)
    expected.equal("sockets, queue: answers before their delay", early_answers(seen.asked), 0)


def judge_queue(seen: Seen, expected: Expected) -> None:
    """Note what contradicts the claim when 100 were sent in a second."""
    judge_pace(seen, expected)
    expected.between("sockets, queue: microseconds to send all", seen.sending_us, 1, SENDING_US_MAX)
    late = sum(one.delay_ms > 0 for one in seen.asked)
    expected.between("sockets, queue: questions throttled", late, STARTED_MIN, OFFERED)


def judge_drop(seen: Seen, again: Asked, expected: Expected) -> None:
    """Note what contradicts the claim; *again* was asked after a refusal."""
    passed, refused = seen.count(DONE), seen.count(REFUSED)
    # While they came, the bucket leaked: one call more for each whole interval, and no more.
    span_us = max((one.began_us for one in seen.asked), default=0) - seen.asked[0].sent_us
    expected.between("sockets, drop: answered", passed, RATE, RATE + span_us // INTERVAL_US)
    expected.equal("sockets, drop: answered and refused together", passed + refused, OFFERED)
    expected.equal("sockets, drop: vendor calls", len(seen.calls_us), passed)
    refusals = [one for one in seen.asked if one.outcome == REFUSED]
    statuses = {one.status for one in refusals}
    expected.equal("sockets, drop: statuses of refusals", statuses, {HTTPStatus.TOO_MANY_REQUESTS})
    waits_ms = [one.retry_after_ms for one in refusals]
    least_ms, most_ms = min(waits_ms, default=0), max(waits_ms, default=0)
    expected.between("sockets, drop: least Retry-After, ms", least_ms, 1, INTERVAL_US // MS)
    expected.between("sockets, drop: most Retry-After, ms", most_ms, 1, INTERVAL_US // MS)
    expected.equal("sockets, drop: after Retry-After", again.outcome, DONE)


async def burst_on_sockets(target: Target) -> Exhibit:
    """Try it, and judge."""
    expected = Expected()
    async with AsyncExitStack() as stack:
        gate = await stack.enter_async_context(target.twin("ev03-ws", _policy(_QUEUE), _BOOK))
        await _brief(gate)
        key = await target.key(gate, ["calls"])
        http = await stack.enter_async_context(_http())
        room = _Room(target, http, gate.tenant)
        await room.enter(stack, key.text)
        for trial in range(1, TRIALS_MAX + 1):
            queued = await room.asked(SPACING_US)
            if queued.sending_us <= SENDING_US_MAX:
                break
            if trial < TRIALS_MAX:
                judge_pace(queued, expected)
        judge_queue(queued, expected)
        receipt = await gate.set_policy(_policy(_DROP))
        if receipt.status != HTTPStatus.OK:
            raise NotTried(f"The policy was not set: {receipt.message}", receipt.remedy)
        dropped = await _dropped(room)
        again = await room.asked_again(dropped)
        judge_drop(dropped, again, expected)
    return Exhibit(
        id="EV-03-WS",
        claim="Burst over the WebSocket: of 100 questions in a second at a limit of 50/s, 50 pass"
        " and 50 are throttled or rejected; no conversation is lost.",
        method=METHOD,
        observed=_observed(trial, queued, dropped, again),
        faults=expected.faults,
    )


async def _dropped(room: _Room) -> Seen:
    """Ask all at once, again when a busy machine took so long for it that all were let through."""
    for _ in range(TRIALS_MAX):
        dropped = await room.asked(0)
        if dropped.count(REFUSED):
            break
        await asyncio.sleep(OFFERED / RATE)
    return dropped


def _observed(trial: int, queued: Seen, dropped: Seen, again: Asked) -> dict[str, int | str]:
    within_us = queued.asked[0].sent_us + US
    return {
        "queue: trials": trial,
        "queue: vendor calls in the first second": sum(at < within_us for at in queued.calls_us),
        "queue: throttled": sum(one.delay_ms > 0 for one in queued.asked),
        "queue: longest delay, ms": max(one.delay_ms for one in queued.asked),
        "queue: answered before their delay": early_answers(queued.asked),
        "queue: vendor calls": len(queued.calls_us),
        "drop: answered": dropped.count(DONE),
        "drop: refused": dropped.count(REFUSED),
        "drop: vendor calls": len(dropped.calls_us),
        "drop: after Retry-After": again.outcome,
    }


# -- the conversations ---------------------------------------------------------------


class _Room:
    """A hundred conversations with one twin."""

    def __init__(self, target: Target, http: aiohttp.ClientSession, tenant: str) -> None:
        self._target = target
        self._http = http
        self._url = f"{target.gateway_url}{stream.PATH.format(tenant=tenant)}"
        self._sockets: list[aiohttp.ClientWebSocketResponse] = []
        self._turns = 0

    async def enter(self, stack: AsyncExitStack, key: str) -> None:
        """Open them all; they leave with *stack*."""
        for _ in range(OFFERED):
            self._sockets.append(await stack.enter_async_context(self._conversation(key)))

    @asynccontextmanager
    async def _conversation(self, key: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        headers = {"Authorization": f"Bearer {key}"}
        async with self._http.ws_connect(
            self._url, protocols=(stream.SUBPROTOCOL,), headers=headers
        ) as socket:
            await _say(socket, stream.Hello())
            welcome = await _hear(socket)
            if not isinstance(welcome, Welcome):
                raise NotTried(f"No conversation was opened: {welcome!r}", "is the gateway up?")
            yield socket
            await _say(socket, stream.Bye())

    async def asked(self, spacing_us: int) -> Seen:
        """Have each ask one question, *spacing_us* after the one before, whatever comes."""
        before = (await self._ledger())["total"]
        loop = asyncio.get_running_loop()
        began_s, asking = loop.time(), []
        for number, socket in enumerate(self._sockets):
            due_s = began_s + number * spacing_us / US
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            asking.append(asyncio.create_task(self._ask(socket)))
        asked = await asyncio.gather(*asking)
        calls = (await self._ledger(before))["calls"]
        return Seen(asked=asked, calls_us=sorted(one["at_us"] for one in calls))

    async def asked_again(self, seen: Seen) -> Asked:
        """Have one that was refused ask again, after the time that it was told."""
        number = next((i for i, one in enumerate(seen.asked) if one.outcome == REFUSED), 0)
        longest_ms = max(one.retry_after_ms for one in seen.asked)
        await asyncio.sleep(longest_ms / MS)
        return await self._ask(self._sockets[number])

    async def _ask(self, socket: aiohttp.ClientWebSocketResponse) -> Asked:
        self._turns += 1
        turn = f"t{self._turns}"
        asked = Asked(sent_us=_now_us())
        await _say(socket, Text(id=turn, text="Hola"))
        while asked.outcome == UNANSWERED:
            message = await _hear(socket)
            match message:
                case Throttled():
                    asked.delay_ms = message.delay_ms
                case TurnStarted():
                    asked.began_us = _now_us()
                case Refused():
                    asked.status = message.problem.status
                    asked.retry_after_ms = message.problem.retry_after_ms or 0
                case TurnEnded():
                    asked.outcome = message.outcome
                    await _say(socket, stream.Acknowledge(position=message.position))
                case None:
                    asked.outcome = "lost"
                case _:
                    pass
        return asked

    async def _ledger(self, since: int = 0) -> dict[str, Any]:
        query = {"vendor": GPT_4O_MINI.provider_id, "operation": "chat", "since": str(since)}
        path = f"{self._target.sandbox_url}/_sandbox/calls"
        timeout = aiohttp.ClientTimeout(total=HEARD_WITHIN_S)
        async with self._http.get(path, params=query, timeout=timeout) as answer:
            found: dict[str, Any] = await answer.json()
        return found


def _http() -> aiohttp.ClientSession:
    # Each conversation has a connection for itself, and the library would stop at a hundred.
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=OFFERED + 1))


async def _say(socket: aiohttp.ClientWebSocketResponse, message: stream.FromClient) -> None:
    await socket.send_str(str(stream.encode(message)))


async def _hear(socket: aiohttp.ClientWebSocketResponse) -> stream.FromGateway | None:
    async with asyncio.timeout(HEARD_WITHIN_S):
        message = await socket.receive()
    return stream.read_gateway(message.data) if message.type is aiohttp.WSMsgType.TEXT else None


async def _brief(gate: GateClient) -> None:
    """Tell the twin what it may say, and give it its vendor's key."""
    for receipt in (
        await gate.save_prompt("Sos relator de fútbol.", expected_version=0),
        await gate.activate_prompt(1),
        await gate.put_secret(GPT_4O_MINI.provider_id, Secret("sandbox-openai")),
    ):
        if receipt.status != HTTPStatus.OK:
            raise NotTried(f"The twin was not briefed: {receipt.message}", receipt.remedy)


def _now_us() -> int:
    return time.time_ns() // 1_000


def _policy(rate: RatePolicy) -> Policy:
    budget = BudgetPolicy(monthly_hard_limit_nanos=1_000 * DOLLAR)
    return Policy(rate=rate, budget=budget, modalities=["text"])


_QUEUE = RatePolicy(requests=RATE, burst=1, overflow="queue", queue_max_delay_ms=5_000)
_DROP = RatePolicy(requests=RATE, burst=RATE, overflow="drop")
_BOOK = PriceBook([GPT_4O_MINI])
