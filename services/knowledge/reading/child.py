"""
The process that reads one document and ends: `python -m services.knowledge.reading.child`.

A job on standard input, an answer on standard output (see answer); it prints nothing, and logs
nothing, because what a parser complains about may be the document itself.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Final

from services.knowledge.problem import IngestionProblem
from services.knowledge.reading import answer
from services.knowledge.reading.answer import Answer, Job, Read, Refused
from services.knowledge.reading.confinement import confine

# Deep enough for every document within its limit of depth, and far from the end of the C stack.
_RECURSION_MAX: Final = 2_000
_TOO_MUCH: Final = Refused(
    "too_much_memory", "Reading it takes more memory than a document may have. Split it."
)


def main() -> None:
    """Read a job, confine this process, and answer."""
    job = answer.job_of(sys.stdin.buffer.read())
    answers = _silence()
    confine(job.limits)
    found = answered(job)
    try:
        encoded = answer.encode(found)
    except MemoryError:
        encoded = answer.encode(_TOO_MUCH)
    with os.fdopen(answers, "wb") as out:
        out.write(encoded)


def answered(job: Job) -> Answer:
    """Read a document in this process; whatever goes wrong is an answer."""
    # Here, so that parsers are loaded by a process that is confined already.
    from services.knowledge.reading.document import reading_of  # noqa: PLC0415

    try:
        return Read(reading_of(job.fetched, job.limits))
    except IngestionProblem as problem:
        return Refused(problem.code, problem.what)
    except MemoryError:
        return _TOO_MUCH
    except RecursionError:
        return Refused("too_deep", "It is nested too deeply to be read.")
    except Exception as error:  # noqa: BLE001 - parsers of other people's bytes raise anything
        return Refused(
            "damaged",
            "It is damaged, or not written as its format says. Open it, and save it anew.",
            _where(error),
        )


def _silence() -> int:
    """Keep standard output for the answer, and give everybody else nothing to write to."""
    answers = os.dup(sys.stdout.fileno())
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(_RECURSION_MAX)
    return answers


def _where(error: Exception) -> str:
    """Kind of *error* and the lines it came by; its message may be the document."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    lines = " < ".join(f"{Path(one.filename).name}:{one.lineno}" for one in reversed(frames))
    return f"{type(error).__name__} at {lines}"


if __name__ == "__main__":
    main()
