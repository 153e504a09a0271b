"""How the server of HTTP asks a prover, over the connection that it has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import msgspec

from contracts.policy_preview import PolicyPreview, PreviewPolicy
from services.audit.preview import NotFit
from services.failure import Failure
from services.prover.questions import (
    End,
    Going,
    NotMade,
    Previewed,
    Proved,
    Question,
    Told,
    TryPolicy,
    Unfit,
    VerifyLog,
)


class Line(Protocol):
    """Puts a question to whoever proves; raises Failure when nobody does, or falls silent."""

    def proving(self, question: bytes) -> AsyncIterator[bytes]: ...


class ProverLine:
    """A prover behind a line."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def verify(self, tenant: str, note: Callable[[int, int], None]) -> dict[str, Any]:
        """Return what `vito verify --json` says of a twin, *note* hears how far it is."""
        end = await self._ask(VerifyLog(tenant), note)
        if not isinstance(end, Proved):
            raise _unreadable()
        return end.outcome

    async def preview(self, tenant: str, wanted: PreviewPolicy) -> PolicyPreview:
        """Return what a policy would have done; raises NotFit and Failure."""
        end = await self._ask(TryPolicy(tenant, wanted))
        if not isinstance(end, Previewed):
            raise _unreadable()
        return end.preview

    async def _ask(self, question: Question, note: Callable[[int, int], None] | None = None) -> End:
        async for message in self._line.proving(msgspec.json.encode(question)):
            told = _read(message)
            if isinstance(told, NotMade):
                raise Failure(told.message, told.remedy)
            if isinstance(told, Unfit):
                raise NotFit(told.field, told.rule)
            if not isinstance(told, Going):
                return told
            if note is not None and told.last:
                note(told.position, told.last)
        raise Failure("The prover has said nothing more.", "ask again.")


def _read(message: bytes) -> Told:
    try:
        told: Told = msgspec.json.decode(message, type=Told)
    except msgspec.DecodeError:
        raise _unreadable() from None
    return told


def _unreadable() -> Failure:
    return Failure("What the prover says cannot be read.", "run the same version everywhere.")
