"""
What a client raises. A refusal is not among these: it is an answer.

    CannotVerify      no answer before the deadline: do not call the vendor
    NotAllowed        the bus did not let it pass: not this key, or not this twin
    MalformedCommand  the gate could not read the command: correct it, do not repeat it
    NoGrant           a decision that entitles this client to nothing
    Refused           a question that the gate does not answer to this client
    SecretRefused     a secret that the gate did not open for a call
"""

from __future__ import annotations

from contracts.replies import Decision, OpenedSecret, Problem
from services.failure import Failure


class CannotVerify(Exception):
    """
    No durable decision is known; the vendor must not be called.

    The command may or may not have been decided. Sent again with the same *command_id*, it gets
    the one true answer.
    """

    status = 503

    def __init__(self, subject: str, command_id: str, *, attempts: int, reason: str) -> None:
        super().__init__(
            f"{subject}: no answer after {attempts} attempts ({reason}); command_id {command_id}"
        )
        self.subject = subject
        self.command_id = command_id
        self.attempts = attempts
        self.reason = reason


class NotAllowed(Exception):
    """
    The bus refused the message before anybody saw it: the key may not ask this, or not this twin.

    It says the same of a twin of others and of one that does not exist.
    """

    status = 403

    def __init__(self, subject: str) -> None:
        super().__init__(f"{subject}: not allowed with this key or token")
        self.subject = subject


class MalformedCommand(ValueError):
    """The gate could not read the command; *problem* says which field and which rule."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.title}: {problem.detail} {problem.remedy}")
        self.problem = problem


class Refused(Failure):
    """A question was refused: who asks may not, or nobody can answer now. *decision* says why."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.message, decision.remedy)
        self.decision = decision


class NoGrant(Exception):
    """A vendor call without the right to make it, refused before a byte was sent."""


class SecretRefused(Exception):
    """The gate did not open a secret; *code* says why, *remedy* what to do."""

    def __init__(self, name: str, answer: OpenedSecret) -> None:
        super().__init__(f"secret {name}: {answer.status} {answer.code}. {answer.message}")
        self.name = name
        self.status = answer.status
        self.code = answer.code
        self.message = answer.message
        self.remedy = answer.remedy
