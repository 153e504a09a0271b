"""
The callout on a connection to the bus: it hears the servers' questions and answers them.

Every callout hears every question and the first answer counts, so one that hangs costs nobody
anything, and all of them count the same failures. Who cannot tell says nothing: the server refuses
by itself after two seconds.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from services import logs
from services.callout import request
from services.callout.admission import Admission, Admitted, Directory, ParsedKey, Refused
from services.callout.eviction import Evictor
from services.callout.keys import CalloutKeys
from services.callout.request import Answers, NotAQuestion, Question
from services.callout.throttle import Throttle
from services.embedded.nats_config import ACCOUNT, AUTH_TIMEOUT_S
from services.failure import Failure
from services.identity.denials import Denial, Denials, Tell
from services.identity.tokens import TokenVerifier
from services.settings import NatsLogin

# More at a time than one can answer before the servers stop waiting are not worth beginning.
AT_ONCE_MAX: Final = 512
CHANGES_AGAIN_S: Final = 0.5
# What a login wants, in the words of the record of denials.
CONNECTING: Final = ("bus", "connect")
UNAUTHORIZED: Final = 401
_US: Final = 1_000_000
_OPTIONS: Final[dict[str, Any]] = {
    "name": "vito-callout",
    "max_reconnect_attempts": -1,
    "reconnect_time_wait": 0.1,
    "connect_timeout": 2,
    "ping_interval": 5,
    "max_outstanding_pings": 2,
}


class Callout:
    """Answers questions. *clock*: microseconds since 1970."""

    def __init__(
        self,
        keys: CalloutKeys,
        admission: Admission,
        denials: Denials,
        *,
        clock: Callable[[], int],
    ) -> None:
        self._keys = keys
        self._answers = Answers(keys, ACCOUNT)
        self._admission = admission
        self._denials = denials
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    async def hear(self, message: Msg) -> None:
        """Begin to answer a question; the next one does not wait for it."""
        if len(self._tasks) >= AT_ONCE_MAX:
            logs.get().warning("callout_overloaded", waiting=len(self._tasks))
            return
        task = asyncio.create_task(self._answer(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: Msg) -> None:
        try:
            async with asyncio.timeout(AUTH_TIMEOUT_S):
                answer = await self._answer_to(message)
            if answer is not None:
                await message.respond(answer)
        except TimeoutError:
            logs.get().warning("bus_login_unanswered", reason="took too long")
        except NatsError as problem:
            logs.get().warning("bus_login_unanswered", reason=type(problem).__name__)
        except Exception as fault:  # noqa: BLE001 - the next one is to be answered
            # Without the text: it could quote what somebody sent.
            logs.get().error("bus_login_unanswered", reason=type(fault).__name__)

    async def _answer_to(self, message: Msg) -> bytes | None:
        headers = message.headers or {}
        try:
            question = request.read(self._keys, message.data, headers.get(request.XKEY_HEADER))
        except NotAQuestion as problem:
            logs.get().warning("callout_question_refused", reason=str(problem))
            return None
        outcome = await self._admission.decide(question)
        now_s = self._clock() // _US
        if isinstance(outcome, Admitted):
            _log_admitted(question, outcome)
            return self._answers.let_in(
                question,
                str(outcome.name),
                outcome.rights,
                now_s=now_s,
                expires_at_s=outcome.expires_at_s,
            )
        if isinstance(outcome, Refused):
            _log_refused(question, outcome)
            self._note(question, outcome)
            return self._answers.refuse(question, now_s=now_s)
        logs.get().warning("bus_login_unanswered", reason=outcome.reason)
        return None

    def _note(self, question: Question, outcome: Refused) -> None:
        """Have it written down, once for all callouts, if it can be said who it was."""
        if outcome.known is None:
            return
        principal, log, about = outcome.known
        self._denials.note(
            Denial(
                log,
                principal,
                self._denials.door,
                *CONNECTING,
                outcome.reason,
                UNAUTHORIZED,
                about,
                id=question.user_nkey,
            )
        )


async def serve(
    login: NatsLogin,
    keys: CalloutKeys,
    tokens: TokenVerifier,
    directory: Directory,
    parse: Callable[[str], ParsedKey],
    tell: Tell,
    *,
    stop: asyncio.Event,
    ready: Callable[[], None],
) -> None:
    """
    Answer until *stop* is set; *ready* is called when questions are heard.

    *tell* has a denial written into a log.
    """
    admission = Admission(
        directory,
        tokens,
        parse=parse,
        throttle=Throttle(clock=now_us),
        clock=now_us,
        chance=random.random,
    )
    denials = Denials("bus", tell)
    callout = Callout(keys, admission, denials, clock=now_us)
    async with asyncio.TaskGroup() as tasks:
        connection, evictor = await _connect(login, admission)
        reporting = tasks.create_task(denials.run())
        try:
            await connection.subscribe(request.SUBJECT, cb=callout.hear)
            await connection.flush()
            running = [
                tasks.create_task(evictor.run()),
                tasks.create_task(follow(directory, evictor)),
            ]
            logs.get().info("callout_ready")
            ready()
            await stop.wait()
            for task in running:
                task.cancel()
        finally:
            await denials.close(reporting)
            # The library writes what is left even when the bus is gone (uvloop: RuntimeError).
            with suppress(OSError, RuntimeError):
                await connection.close()


async def follow(directory: Directory, evictor: Evictor) -> None:
    """Have whoever a change concerns disconnected, for ever."""
    while True:
        try:
            async for change in directory.changes():
                evictor.note(change)
        except Failure as problem:
            logs.get().warning("changes_not_heard", reason=problem.message)
        # What was missed is covered by looking everybody up.
        evictor.audit()
        await asyncio.sleep(CHANGES_AGAIN_S)


def now_us() -> int:
    """Return the wall clock, microseconds since the epoch."""
    return time.time_ns() // 1_000


async def _connect(login: NatsLogin, admission: Admission) -> tuple[Client, Evictor]:
    client = Client()
    evictor = Evictor(client, admission.still_stands)

    async def reconnected() -> None:
        logs.get().info("nats_reconnected")
        # What was asked of the servers meanwhile may not have reached them.
        evictor.audit()

    async def note(problem: Exception) -> None:
        logs.get().warning("nats_connection", problem=type(problem).__name__)

    callbacks = {"reconnected_cb": reconnected, "error_cb": note}
    await client.connect(**{**_OPTIONS, **login.options(), **callbacks})
    await evictor.start()
    return client, evictor


def _log_admitted(question: Question, outcome: Admitted) -> None:
    logs.get().info(
        "bus_login_admitted",
        principal=outcome.name.principal,
        tenant=outcome.name.tenant,
        host=question.client_info.host,
    )


def _log_refused(question: Question, outcome: Refused) -> None:
    logs.get().warning(
        "bus_login_refused",
        reason=outcome.reason,
        login=outcome.login,
        host=question.client_info.host,
    )
