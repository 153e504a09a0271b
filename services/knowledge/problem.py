"""Why a source could not be had, in words for the person who asked for it."""

from __future__ import annotations

from typing import TypeAlias

from contracts.knowledge import FailureCode

ProblemCode: TypeAlias = FailureCode


class IngestionProblem(Exception):
    """
    A source brings nothing. *code* for programs; *what* happened and what to do, for people.

    *may_pass* when the same may succeed later without anybody's doing.
    """

    def __init__(self, code: ProblemCode, what: str, *, may_pass: bool = False) -> None:
        super().__init__(f"{code}: {what}")
        self.code: ProblemCode = code
        self.what = what
        self.may_pass = may_pass
