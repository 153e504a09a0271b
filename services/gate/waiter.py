"""Who waits for the log: one message of a client, and how it is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from contracts.commands import AnyCommand
from contracts.questions import AnyAnswer, GateQuestion
from contracts.replies import Decision, OpenedSecret, Receipt
from contracts.views import View
from domain import secret
from domain.answer import not_decided
from domain.refusals import Refusal

RETRY_AFTER_MS: Final = 250
_UNAVAILABLE = 503

Answer: TypeAlias = Decision | Receipt | OpenedSecret | View | AnyAnswer


class Waiter(msgspec.Struct):
    """
    One message of a client: its commands, and how to answer it once all are durable.

    With a *question* instead (the noun of a view, or one with parameters) it has one answer.
    *losses* counts how often its decision was undone because a commit was lost. *openings* are the
    secrets, still sealed, that belong into some of the answers.
    """

    commands: list[AnyCommand]
    actor: str
    respond: Callable[[list[Answer]], None]
    answers: list[Answer] = []
    question: str | GateQuestion = ""
    losses: int = 0
    openings: dict[int, secret.Held] = {}

    def undo(self) -> None:
        """Forget what was decided: it is not durable, and is decided again."""
        self.answers.clear()
        self.openings.clear()
        self.losses += 1


def refuse_all(waiter: Waiter, refusal: Refusal) -> None:
    """Answer every command of a message with a refusal that is not in the log."""
    names = [command.command_id for command in waiter.commands] or [""]
    # Only what may be better in a moment is worth asking again.
    again_ms = RETRY_AFTER_MS if refusal.status == _UNAVAILABLE else None
    waiter.respond([not_decided(name, refusal, retry_after_ms=again_ms) for name in names])


def weight(waiter: Waiter) -> int:
    """How much of what may wait a message takes."""
    return max(1, len(waiter.commands))
