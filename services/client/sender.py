"""Sending: one command, repeated unchanged until the gate has answered it."""

from __future__ import annotations

import secrets
from typing import TypeVar

from contracts import subjects
from contracts.access import OPERATOR
from contracts.commands import NOUN_AND_VERB, AnyCommand
from contracts.questions import QUESTIONS, AnyAnswer, AnyQuestion
from contracts.replies import Decision, OpenedSecret, Receipt
from contracts.views import (
    VIEWS,
    View,
    ViewNoun,
)
from services.client.attempts import Attempts, Bus
from services.client.errands import Errands
from services.client.errors import Refused
from services.client.patience import Patience, Timing
from services.client.wire import Encoding, Wire

_NOUN_OF: dict[type, ViewNoun] = {view: noun for noun, view in VIEWS.items()}
_ASK_AGAIN = ("cannot_verify", "overloaded")
_UNAVAILABLE = 503
Answer = TypeVar("Answer", Decision, Receipt, OpenedSecret)
Shown = TypeVar("Shown", bound=View | AnyAnswer)


def new_id() -> str:
    """A command id that nobody else has: 128 random bits."""
    return secrets.token_hex(16)


class Sender:
    """
    Sends one tenant's commands over a connection that may be shared.

    *principal* is who asks (`contracts.access`). *patience* bounds commands; *booking* bounds
    settlements and releases, which have to arrive and for which nobody waits with a visitor on the
    line. No hold lasts longer than *hold_ms_max*, whatever a call asks for: so long is money away
    when the process dies.
    """

    def __init__(
        self,
        bus: Bus,
        tenant: str,
        *,
        principal: str = OPERATOR,
        encoding: Encoding = "json",
        patience: Patience | None = None,
        booking: Patience | None = None,
        timing: Timing | None = None,
        errands: Errands | None = None,
        hold_ms_max: int | None = None,
    ) -> None:
        self.tenant = tenant
        self.principal = principal
        self.timing = timing or Timing()
        self.patience = patience or Patience()
        self.booking = booking or Patience(deadline_s=60.0)
        self.errands = errands or Errands()
        self.hold_ms_max = hold_ms_max
        self._bus = bus
        self._encoding: Encoding = encoding
        self._wire = Wire(encoding)

    async def show(self, view: type[Shown]) -> Shown:
        """
        Return the gate's live view: `await gate.show(BudgetView)`. See `contracts.views`.

        Raises:
            CannotVerify: no answer in time.
            Refused: this client may not ask.
        """
        subject = subjects.query(self.tenant, _NOUN_OF[view], self.principal)
        return await self._asked(subject, b"", view)

    async def _ask(
        self, question: AnyQuestion, kind: type[Shown], patience: Patience | None = None
    ) -> Shown:
        """Ask a question with parameters. Raises what `show` raises, and MalformedCommand."""
        noun, verb = QUESTIONS[type(question)]
        subject = subjects.query(self.tenant, noun, self.principal, verb=verb)
        return await self._asked(subject, self._wire.encode(question), kind, patience)

    async def _asked(
        self, subject: str, payload: bytes, kind: type[Shown], patience: Patience | None = None
    ) -> Shown:
        attempts = Attempts(
            self._bus, self._wire, self.timing, patience or self.patience, subject=subject
        )
        while True:
            reason, again_ms = "", None
            try:
                found = await attempts.send(payload, kind)
            except Refused as refused:
                if not must_ask_again(refused.decision):
                    raise
                reason, again_ms = refused.decision.code, refused.decision.retry_after_ms
            else:
                if found is not None:
                    return found
            await attempts.pause(reason, again_ms)

    async def tell(self, command: AnyCommand) -> Receipt:
        """Send any command but `authorize` and `extend`, whose answer is a decision."""
        return (await self._command(command, Receipt, self.patience))[0]

    async def _command(
        self, command: AnyCommand, kind: type[Answer], patience: Patience
    ) -> tuple[Answer, Attempts]:
        attempts = self._attempts(command, patience)
        payload = self._wire.encode(command)
        while True:
            answer = await attempts.send(payload, kind)
            if answer is None:
                await attempts.pause()
            elif must_ask_again(answer):
                await attempts.pause(answer.code, getattr(answer, "retry_after_ms", None))
            else:
                return answer, attempts

    def _attempts(self, command: AnyCommand, patience: Patience) -> Attempts:
        noun, verb = NOUN_AND_VERB[type(command)]
        return Attempts(
            self._bus,
            self._wire,
            self.timing,
            patience,
            subject=subjects.command(self.tenant, noun, verb, self.principal),
            command_id=command.command_id,
        )


def must_ask_again(answer: Decision | Receipt | OpenedSecret) -> bool:
    """Whether the gate could not decide. `too_many_holds` is a 503 too, but a decision."""
    return answer.status == _UNAVAILABLE and answer.code in _ASK_AGAIN
