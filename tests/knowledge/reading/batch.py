"""
Reads many documents in one confined process: what a test of hundreds can afford.

The process is confined as that of a single document is, and answers one by one. Where it dies or
takes too long, the document is to blame: that one is read again alone, as in production, and a new
process goes on with the rest.
"""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from services.knowledge.fetched import Fetched
from services.knowledge.problem import IngestionProblem
from services.knowledge.reading import answer, child
from services.knowledge.reading.answer import Job, Read
from services.knowledge.reading.confinement import confine
from services.knowledge.reading.limits import MIB, Limits
from services.knowledge.reading.reader import Reader

ROOT = Path(__file__).parents[3]
LIMITS = Limits(bytes_max=8 * MIB, memory_bytes=512 * MIB, cpu_s=8, wall_s=60, blocks_max=5_000)
READ = "read"
# Of processor time, for each document of a batch.
SECONDS_EACH = 3.0
_LENGTH = struct.Struct(">I")


async def ends_of(documents: Sequence[Fetched], *, processes: int = 2) -> list[str]:
    """How reading each of them ends: `read`, or the code of its problem."""
    parts = [list(range(at, len(documents), processes)) for at in range(processes)]
    ends: dict[int, str] = {}
    await asyncio.gather(*(_part(documents, part, ends) for part in parts))
    return [ends[at] for at in range(len(documents))]


async def end_of(reader: Reader, fetched: Fetched) -> str:
    """How reading this one ends, in a process of its own."""
    try:
        await reader.read(fetched)
    except IngestionProblem as problem:
        assert problem.what.endswith("."), problem.what
        return problem.code
    return READ


async def _part(documents, part, ends):
    alone = Reader(LIMITS, at_once=1)
    while part:
        read = await _batch([documents[at] for at in part])
        ends.update(zip(part, read, strict=False))
        part = part[len(read) :]
        if part:
            ends[part[0]] = await end_of(alone, documents[part[0]])
            part = part[1:]


async def _batch(documents: Sequence[Fetched]) -> list[str]:
    """Ends of the first of *documents*, up to the one that brought the process down."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "tests.knowledge.reading.batch",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
        start_new_session=True,
    )
    said, _ = await process.communicate(msgspec.msgpack.encode(documents))
    ends = []
    at = 0
    while at + _LENGTH.size <= len(said):
        (length,) = _LENGTH.unpack_from(said, at)
        at += _LENGTH.size
        if at + length > len(said):
            break
        ends.append(_end(said[at : at + length]))
        at += length
    return ends


def _end(said: bytes) -> str:
    found = answer.answer_of(said)
    return READ if isinstance(found, Read) else found.code


def main() -> None:
    """Read a list of documents from standard input; answers with their lengths before them."""
    documents = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=list[Fetched])
    answers = child._silence()
    # Their time is measured one by one.
    confine(msgspec.structs.replace(LIMITS, cpu_s=600, wall_s=600))
    for fetched in documents:
        signal.setitimer(signal.ITIMER_PROF, SECONDS_EACH)
        encoded = answer.encode(child.answered(Job(fetched, LIMITS)))
        _write(answers, _LENGTH.pack(len(encoded)) + encoded)


def _write(answers: int, data: bytes) -> None:
    while data:
        data = data[os.write(answers, data) :]


if __name__ == "__main__":
    main()
