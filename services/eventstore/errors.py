"""
What the log can answer instead of an acknowledgement, as types.

Two questions decide what a caller may do next: is anything stored, and may it try again.

    FenceConflict   nothing stored by us; another writer was first: read again
    Unavailable     nothing stored; try again later
    OutcomeUnknown  stored or not, it could not be learnt: read before deciding anything
    everything else nothing stored; trying again does not help
"""

import re
from collections.abc import Mapping
from typing import Any

from eventsourcing.persistence import (
    IntegrityError,
    OperationalError,
    PersistenceError,
    ProgrammingError,
)

_WRONG_LAST_SEQUENCE = re.compile(r"wrong last sequence: (\d+)")


class LogProblem(PersistenceError):
    """Anything that keeps the log from doing what it was asked."""


class FenceConflict(LogProblem, IntegrityError):
    """
    Another writer appended first.

    *actual_seq* is the last sequence that the server has for the refused fence, None if it did
    not tell. With *in_flight* another write was still under way, which may yet come to nothing.
    """

    def __init__(
        self, message: str, *, actual_seq: int | None = None, in_flight: bool = False
    ) -> None:
        super().__init__(message)
        self.actual_seq = actual_seq
        self.in_flight = in_flight


class Unavailable(LogProblem, OperationalError):
    """Nobody can answer now. Nothing is stored."""


class StreamFull(Unavailable):
    """The stream has reached its bound. Nothing is stored until an operator raises it."""


class OutcomeUnknown(LogProblem, OperationalError):
    """No answer in time, or the connection was lost while waiting for one."""


class TooLarge(LogProblem, ProgrammingError):
    """More bytes, or more messages in one commit, than the log takes. Nothing is stored."""


class DuplicateBatch(LogProblem, IntegrityError):
    """A message id in an atomic batch is already known. Ours carry none: somebody else's do."""


class Rejected(LogProblem, ProgrammingError):
    """The server refuses what was asked for; its reason is the message, *code* its number."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class ForeignMessage(LogProblem):
    """A message in the stream that no recorder of ours has written."""


# "insufficient memory|storage resources": the account's or the server's bound, not the stream's.
_OUT_OF_SPACE = {10028, 10047}
_TOO_LARGE = {10054, 10097, 10199}
# A batch whose beginning got lost with a connection or a server: it is dropped as a whole.
_INCOMPLETE_BATCH = 10176
_OFFLINE = {10118, 10194}
_STORE_FAILED = 10077


def problem_of(error: Mapping[str, Any]) -> LogProblem:
    """Turn the `error` of a JetStream answer into an exception; the only place that knows codes."""
    code, text = int(error.get("err_code", 0)), str(error.get("description", ""))
    match code:
        case 10071:
            told = _WRONG_LAST_SEQUENCE.fullmatch(text)
            return FenceConflict(text, actual_seq=int(told[1]) if told else None)
        case 10164:
            return FenceConflict(text, in_flight=True)
        case 10201:
            return DuplicateBatch(text)
        case _ if code in _TOO_LARGE:
            return TooLarge(text)
        case _ if code in _OUT_OF_SPACE or (code == _STORE_FAILED and "maximum" in text):
            return StreamFull(text)
        case _ if code == _STORE_FAILED:
            # The disk failed somewhere on the way; the bytes may be there after a restart.
            return OutcomeUnknown(text)
        case _ if code in {_INCOMPLETE_BATCH, *_OFFLINE} or error.get("code") in (429, 503):
            return Unavailable(text)
    return Rejected(f"{text} ({code})", code)
