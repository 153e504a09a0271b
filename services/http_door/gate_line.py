"""
The line to the gate: commands and questions over NATS, in the name of who was recognised.

The bus lets the role `http` speak for every principal, so nothing but this module may hold its
connection, and a principal comes from `Caller.principal` only.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final, Protocol, TypeAlias

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError

from contracts import subjects
from contracts.commands import NOUN_AND_VERB, AnyCommand
from contracts.questions import QUESTIONS, AnyQuestion
from services.client.attempts import Attempts
from services.client.connection import NotConnected, of_login, open_connection
from services.client.errors import CannotVerify
from services.client.patience import Patience, Timing
from services.client.wire import Wire
from services.embedded.nats_permissions import PROOFS, RECONCILE_HINTS
from services.failure import Failure
from services.prover.questions import SILENT_S_MAX
from services.reconciler.hint import Hint, encode
from services.settings import NatsLogin

# A failover takes up to 3 s; what is not answered by then is told so, and may be asked again.
PATIENCE: Final = Patience(deadline_s=5.0, attempt_s=1.0)
CONNECT_S: Final = 2.0
_UNAVAILABLE: Final = 503
_ASK_AGAIN: Final = ("cannot_verify", "overloaded")

Reply: TypeAlias = dict[str, Any]


class Gate(Protocol):
    """
    Decides commands, shows what it has and answers questions, as the contracts say.

    All raise CannotVerify when no answer came, and MalformedCommand for what the contract forbids.
    """

    async def command(self, tenant: str, command: AnyCommand, principal: str) -> Reply: ...

    async def show(self, tenant: str, noun: str, principal: str) -> Reply: ...

    async def ask(self, tenant: str, question: AnyQuestion, principal: str) -> Reply: ...


class GateLine:
    """The gate behind a NATS server; connects on first use and heals by itself."""

    def __init__(
        self,
        login: NatsLogin,
        *,
        name: str = "vito-http",
        patience: Patience = PATIENCE,
        timing: Timing | None = None,
    ) -> None:
        self._login = login
        self._name = name
        self._patience = patience
        self._timing = timing or Timing()
        self._wire = Wire("json")
        self._client: Client | None = None
        self._connecting = asyncio.Lock()

    async def command(self, tenant: str, command: AnyCommand, principal: str) -> Reply:
        """See Gate."""
        noun, verb = NOUN_AND_VERB[type(command)]
        subject = subjects.command(tenant, noun, verb, self._for(principal))
        return await self._ask(subject, self._wire.encode(command), command.command_id)

    async def show(self, tenant: str, noun: str, principal: str) -> Reply:
        """See Gate."""
        return await self._ask(subjects.query(tenant, noun, self._for(principal)), b"", "")

    async def ask(self, tenant: str, question: AnyQuestion, principal: str) -> Reply:
        """See Gate."""
        noun, verb = QUESTIONS[type(question)]
        subject = subjects.query(tenant, noun, self._for(principal), verb=verb)
        return await self._ask(subject, self._wire.encode(question), "")

    async def hint(self, hint: Hint) -> None:
        """Have reconciliation look somewhere sooner; the role `http` may. Nobody answers it."""
        bus = await self._connected(RECONCILE_HINTS, "")
        try:
            await bus.publish(RECONCILE_HINTS, encode(hint))
        except (NatsError, OSError) as problem:
            raise CannotVerify(
                RECONCILE_HINTS, "", attempts=1, reason=type(problem).__name__
            ) from problem

    async def proving(self, question: bytes) -> AsyncIterator[bytes]:
        """
        Ask who proves logs; what they tell comes one by one, until nobody takes it any more.

        Raises Failure when there is nobody, or when they fall silent.
        """
        try:
            bus = await self._connected(PROOFS, "")
            answers = bus.new_inbox()
            heard = await bus.subscribe(answers)
            await bus.publish(PROOFS, question, reply=answers)
        except (CannotVerify, NatsError, OSError) as problem:
            raise Failure(f"No connection to the bus: {problem}", "ask again soon.") from None
        try:
            while True:
                message = await heard.next_msg(timeout=SILENT_S_MAX)
                if _found_nobody(message):
                    raise Failure("Nobody proves logs here.", "start `vito prover`.")
                yield message.data
        except NatsTimeoutError:
            raise Failure("The prover has fallen silent.", "ask again.") from None
        finally:
            with contextlib.suppress(NatsError, OSError):
                await heard.unsubscribe()

    def _for(self, principal: str) -> str:
        """Say to the gate who speaks, so that it answers here and nowhere else."""
        return subjects.on_behalf(self._login.user, principal)

    async def close(self) -> None:
        """Let go of the connection."""
        if self._client is not None:
            await self._client.close()

    async def _ask(self, subject: str, payload: bytes, command_id: str) -> Reply:
        bus = await self._connected(subject, command_id)
        attempts = Attempts(
            bus, self._wire, self._timing, self._patience, subject=subject, command_id=command_id
        )
        while True:
            reply: Reply | None = await attempts.send(payload, dict)
            if reply is None:
                await attempts.pause()
            elif reply.get("status") == _UNAVAILABLE and reply.get("code") in _ASK_AGAIN:
                await attempts.pause(str(reply["code"]), reply.get("retry_after_ms"))
            else:
                return reply

    async def _connected(self, subject: str, command_id: str) -> Client:
        async with self._connecting:
            if self._client is None or self._client.is_closed:
                try:
                    self._client = await open_connection(
                        **of_login(self._login), connect_s=CONNECT_S, name=self._name
                    )
                except NotConnected as problem:
                    raise CannotVerify(
                        subject, command_id, attempts=0, reason=problem.message
                    ) from problem
            return self._client


def _found_nobody(message: Msg) -> bool:
    """Whether the server itself answers: nobody listens there."""
    return (message.headers or {}).get("Status") == str(_UNAVAILABLE)
