"""What the server says in numbers, and what a caller may conclude from it."""

import pytest
from eventsourcing.persistence import (
    IntegrityError,
    OperationalError,
    PersistenceError,
    ProgrammingError,
)

from services.eventstore import (
    DuplicateBatch,
    FenceConflict,
    LogProblem,
    OutcomeUnknown,
    Rejected,
    StreamFull,
    TooLarge,
    Unavailable,
)
from services.eventstore.errors import problem_of

TOLD = [
    (400, 10071, "wrong last sequence: 17", FenceConflict),
    (400, 10164, "wrong last sequence", FenceConflict),
    (400, 10201, "atomic publish batch contains duplicate message id", DuplicateBatch),
    (400, 10199, "atomic publish batch is too large: 1001", TooLarge),
    (400, 10054, "message size exceeds maximum allowed", TooLarge),
    (400, 10097, "header size exceeds maximum allowed of 64k", TooLarge),
    (503, 10077, "maximum bytes exceeded", StreamFull),
    (503, 10077, "maximum messages exceeded", StreamFull),
    (500, 10047, "insufficient storage resources available", StreamFull),
    (500, 10028, "insufficient memory resources available", StreamFull),
    (503, 10077, "write /data/1.blk: input/output error", OutcomeUnknown),
    (503, 10008, "JetStream system temporarily unavailable", Unavailable),
    (503, 10023, "insufficient resources", Unavailable),
    (503, 10163, "expected last sequence per subject temporarily unavailable", Unavailable),
    (429, 10210, "atomic publish too many inflight", Unavailable),
    (429, 10167, "too many requests", Unavailable),
    (400, 10176, "atomic publish batch is incomplete", Unavailable),
    (500, 10118, "stream is offline", Unavailable),
    (400, 10174, "atomic publish is disabled", Rejected),
    (400, 10193, "missing sequence for expected last sequence per subject", Rejected),
    (404, 10059, "stream not found", Rejected),
    (0, 0, "", Rejected),
]


@pytest.mark.parametrize(
    ("code", "err_code", "text", "problem"), TOLD, ids=[f"{t[1]} {t[2]}"[:30] for t in TOLD]
)
def test_each_number_means_one_thing(code, err_code, text, problem):
    """One function knows them; a code that nobody knows is never taken for a success or a retry."""
    found = problem_of({"code": code, "err_code": err_code, "description": text})
    assert type(found) is problem
    assert text in str(found)


def test_a_conflict_tells_what_it_was_told():
    """The actual sequence saves a read; a write under way has none yet."""
    told = problem_of({"code": 400, "err_code": 10071, "description": "wrong last sequence: 17"})
    assert (told.actual_seq, told.in_flight) == (17, False)
    told = problem_of({"code": 400, "err_code": 10164, "description": "wrong last sequence"})
    assert (told.actual_seq, told.in_flight) == (None, True)


def test_an_answer_that_says_nothing_is_rejected():
    """Fail closed also on an error without a number."""
    assert type(problem_of({})) is Rejected


def test_the_library_understands_all_of_them():
    """Its applications catch its own exceptions: conflict, try again, programming error."""
    for problem, base in (
        (FenceConflict, IntegrityError),
        (DuplicateBatch, IntegrityError),
        (Unavailable, OperationalError),
        (OutcomeUnknown, OperationalError),
        (TooLarge, ProgrammingError),
        (Rejected, ProgrammingError),
    ):
        assert issubclass(problem, base)
        assert issubclass(problem, LogProblem)
        assert issubclass(problem, PersistenceError)
    assert not issubclass(OutcomeUnknown, Unavailable)
