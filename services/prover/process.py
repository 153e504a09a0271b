"""One prover: hears questions on the bus and answers a few at once, each for a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Protocol

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts.policy_preview import PolicyPreview, PreviewPolicy
from services import logs
from services.audit.preview import NotFit
from services.client.connection import of_login, open_connection
from services.embedded.nats_permissions import PROOFS
from services.failure import Failure
from services.prover import proofs
from services.prover.questions import (
    BYTES_MAX,
    PREVIEW_S_MAX,
    TELLS_EVERY_S,
    VERIFY_S_MAX,
    End,
    Going,
    NotMade,
    Previewed,
    Proved,
    Question,
    Told,
    TryPolicy,
    Unfit,
)
from services.settings import Settings

RUNNING_MAX: Final = 4
_GROUP: Final = "provers"
_BUSY: Final = NotMade("The prover is busy with others.", "ask again in a minute.")
_LATE: Final = NotMade("It took longer than it may.", "run `vito verify` where the keys are.")
_FAULT: Final = NotMade("A fault in the prover.", "look into its log.")


class Findings(Protocol):
    """What finds out; as the module `proofs`."""

    async def verify(self, tenant: str, note: proofs.Progress) -> dict[str, Any]: ...

    async def preview(self, tenant: str, wanted: PreviewPolicy) -> PolicyPreview: ...


class Prover:
    """Answers on one connection. *every_s*: how often it says that a question is under way."""

    def __init__(self, bus: Client, findings: Findings, every_s: float = TELLS_EVERY_S) -> None:
        self._bus = bus
        self._findings = findings
        self._every_s = every_s
        self._running: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Hear questions from now on."""
        await self._bus.subscribe(PROOFS, queue=_GROUP, cb=self._hear)
        await self._bus.flush()

    async def close(self) -> None:
        """End what is under way; whoever asked is told."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _hear(self, message: Msg) -> None:
        if not message.reply:
            return
        try:
            question = msgspec.json.decode(message.data, type=Question)
        except msgspec.DecodeError as problem:
            logs.get().warning("question_unreadable", reason=str(problem)[:200])
            told = NotMade("The question cannot be read.", "run the same version everywhere.")
            await self._tell(message.reply, told)
            return
        if len(self._running) >= RUNNING_MAX:
            await self._tell(message.reply, _BUSY)
            return
        task = asyncio.create_task(self._answer(question, message.reply))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer(self, question: Question, to: str) -> None:
        far = [Going()]

        def note(position: int, last: int) -> None:
            far[0] = Going(position, last)

        async def tell_on() -> None:
            while True:
                await self._tell(to, far[0])
                await asyncio.sleep(self._every_s)

        telling = asyncio.create_task(tell_on())
        end: End = NotMade("The prover was stopped.", "ask again.")
        try:
            end = await self._find(question, note)
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling
            await self._tell(to, far[0])
            await self._tell(to, end)

    async def _find(self, question: Question, note: proofs.Progress) -> End:
        try:
            if isinstance(question, TryPolicy):
                async with asyncio.timeout(PREVIEW_S_MAX):
                    made = self._findings.preview(question.tenant, question.wanted)
                    return Previewed(await made)
            async with asyncio.timeout(VERIFY_S_MAX):
                return Proved(await self._findings.verify(question.tenant, note))
        except NotFit as wrong:
            return Unfit(wrong.field, wrong.rule)
        except Failure as problem:
            return NotMade(problem.message, problem.remedy)
        except TimeoutError:
            return _LATE
        except Exception as fault:  # noqa: BLE001 - nobody waits for this task
            logs.get().error("not_proved", tenant=question.tenant, exc_info=fault)
            return _FAULT

    async def _tell(self, to: str, told: Told) -> None:
        said = msgspec.json.encode(told)
        if len(said) > BYTES_MAX:
            said = msgspec.json.encode(
                NotMade("The result is too large for the bus.", "run it where the keys are.")
            )
        # Who is cut off from the bus learns from the silence.
        with suppress(OSError, RuntimeError):
            await self._bus.publish(to, said)


async def serve(
    settings: Settings, stop: Callable[[], Awaitable[object]], ready: Callable[[], None]
) -> None:
    """Answer until *stop* returns; *ready* is called once questions are heard."""
    # What its commands need is missed now, and not when somebody asks.
    settings.nats("auditor")
    bus = await open_connection(**of_login(settings.nats("prover")), name="vito-prover")
    prover = Prover(bus, proofs)
    try:
        await prover.listen()
        ready()
        await stop()
        logs.get().info("stopping")
    finally:
        await prover.close()
        with suppress(OSError, RuntimeError):
            await bus.drain()
