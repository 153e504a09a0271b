"""
Idempotency: one `Idempotency-Key` takes effect once and is answered the same, for ever.

Three memories make it so, and the newest is asked last:

running   what this process is having decided right now: 409, or 422 for another payload. Best
          effort, to tell a client that it asks twice at once: two processes do not know of each
          other, and need not, for the gate gives both the one answer.
tables    what the gate may have forgotten (see `domain/memory.py`: it remembers at least 5 minutes
          or 32,768 commands). Each decision that the log holds has a row; the answer is made again
          from it, the same in everything that a client acts on.
gate      what is newer than the tables.

So there must be no gap between the tables and the gate's memory: when the read side is unknown or
too far behind (`Limits.lag_max`, in commits), nothing is sent and the answer is 503. A client that
cannot live with that talks to the gate itself, over NATS. `settle` and `release` need no table to
be exact, a reservation is closed once; theirs is asked only to tell a late repetition its answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import blake2b
from secrets import token_bytes
from typing import Final, Protocol

import msgspec

from contracts.access import OPERATOR
from contracts.budget import ReleaseCall, SettleCall
from contracts.commands import NOUN_AND_VERB, AnyCommand
from contracts.message import Command
from contracts.questions import CompareSecret
from contracts.secret import OpenSecret, PutSecret, RotateSecret
from domain.refusals import HOLD_CLOSED
from services.client.errors import CannotVerify
from services.gate.secret import fingerprint
from services.http_door.gate_line import Gate, Reply
from services.query_api.problems import (
    CANNOT_VERIFY,
    COMMAND_ID_REUSED,
    COMMAND_RUNNING,
    OVERLOADED,
    HttpProblem,
)

RUNNING_MAX: Final = 256
# A secret is opened once for a call, which the gate remembers as long as the call; and its value is
# in no table.
_WITHOUT_TABLES: Final = (SettleCall, ReleaseCall, OpenSecret)
_KEY: Final = token_bytes(32)


class Earlier(msgspec.Struct, frozen=True):
    """A command that was decided: of which kind and payload, and the answer to it."""

    noun: str
    verb: str
    reply: Reply
    # Empty where the table does not keep it; then the kind has to do.
    fingerprint: bytes = b""


class Answers(Protocol):
    """What the tables know of commands that were decided. Raises HttpProblem when they are away."""

    async def find(self, tenant: str, command_id: str) -> Earlier | None:
        """Return how a command was decided that is no settlement; None if the log has no such."""
        ...

    async def settlement(self, tenant: str, command: SettleCall) -> Earlier | None:
        """Return how exactly this settlement was decided; None if it was another one's."""
        ...


class Idempotency:
    """
    What stands between a repeated command and a second effect.

    *lag* says how many commits the tables lack at most, None when nobody knows. *has_same_value*
    says whether a command with a secret has the fingerprint of an earlier one.
    """

    def __init__(
        self,
        answers: Answers,
        lag: Callable[[], Awaitable[int | None]],
        *,
        has_same_value: Callable[[str, PutSecret | RotateSecret, bytes], Awaitable[bool]],
        lag_max: int,
        running_max: int = RUNNING_MAX,
    ) -> None:
        self._answers = answers
        self._lag = lag
        self._has_same_value = has_same_value
        self._lag_max = lag_max
        self._running_max = running_max
        self._running: dict[tuple[str, str], bytes] = {}

    @asynccontextmanager
    async def running(self, tenant: str, command: AnyCommand) -> AsyncIterator[None]:
        """Let one command with this id run at a time; raises HttpProblem (409, 422, 503)."""
        name = tenant, command.command_id
        mark = _mark(command)
        other = self._running.get(name)
        if other is not None:
            raise (
                _reused()
                if other != mark
                else HttpProblem(COMMAND_RUNNING, "The same command is on its way to the gate.")
            )
        if len(self._running) >= self._running_max:
            raise HttpProblem(OVERLOADED, "Too many commands are being decided.")
        self._running[name] = mark
        try:
            yield
        finally:
            del self._running[name]

    async def earlier(self, tenant: str, command: AnyCommand) -> Reply | None:
        """Return the answer to a command that the tables know; raises HttpProblem (422, 503)."""
        if isinstance(command, _WITHOUT_TABLES):
            return None
        lag = await self._lag()
        if lag is None or lag > self._lag_max:
            raise HttpProblem(
                CANNOT_VERIFY, "The record of earlier commands is not complete enough right now."
            )
        return await self._found(tenant, command)

    async def corrected(self, tenant: str, command: AnyCommand, reply: Reply) -> Reply:
        """Return the earlier answer instead of a reply that says that it was done earlier."""
        if reply["code"] != HOLD_CLOSED.code:
            return reply
        try:
            if isinstance(command, SettleCall):
                settled = await self._answers.settlement(tenant, command)
                return reply if settled is None else _again(settled)
            if isinstance(command, ReleaseCall):
                return await self._found(tenant, command) or reply
        except HttpProblem as problem:
            # The gate's word is true as well: nothing was changed, nothing needs to be done.
            if problem.kind is COMMAND_ID_REUSED:
                raise
        return reply

    async def _found(self, tenant: str, command: AnyCommand) -> Reply | None:
        found = await self._answers.find(tenant, command.command_id)
        if found is None:
            return None
        if (found.noun, found.verb) != NOUN_AND_VERB[type(command)]:
            raise _reused()
        if not await self._is_same(tenant, command, found.fingerprint):
            raise _reused()
        return _again(found)

    async def _is_same(self, tenant: str, command: AnyCommand, decided: bytes) -> bool:
        """Whether a command is the one that was decided with this fingerprint."""
        if isinstance(command, PutSecret | RotateSecret):
            # Made with a key that only the gate has: nobody can try values against our tables.
            return await self._has_same_value(tenant, command, decided)
        return decided == fingerprint(command, None)


class ByGate:
    """Has the gate say whether a command brings the value that was decided on before."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def __call__(
        self, tenant: str, command: PutSecret | RotateSecret, decided: bytes
    ) -> bool:
        """Compare; raises HttpProblem (503) when the gate does not say."""
        put = command if isinstance(command, PutSecret) else None
        rotate = command if isinstance(command, RotateSecret) else None
        asked = CompareSecret(fingerprint=decided, put=put, rotate=rotate)
        try:
            reply = await self._gate.ask(tenant, asked, OPERATOR)
        except CannotVerify as unknown:
            raise HttpProblem(CANNOT_VERIFY, f"No answer: {unknown.reason}.") from None
        if "is_same" not in reply:
            raise HttpProblem(CANNOT_VERIFY, f"The gate does not say: {reply.get('code')}.")
        return bool(reply["is_same"])


def _again(found: Earlier) -> Reply:
    return {**found.reply, "replayed": True}


def _mark(command: Command) -> bytes:
    # Two kinds may have the same payload. With a key, because the payload may be a secret.
    payload = msgspec.msgpack.encode(command)
    return type(command).__name__.encode() + blake2b(payload, digest_size=8, key=_KEY).digest()


def _reused() -> HttpProblem:
    return HttpProblem(COMMAND_ID_REUSED, "The key belongs to another command.")
