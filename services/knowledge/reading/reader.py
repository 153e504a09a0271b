"""
Starts a process for each document, holds it to its limits, and takes its answer.

The process inherits nothing: no variable, no descriptor but its three pipes, not the working
directory. It is the first of a session of its own and is killed with everything in it, whatever
happened; nothing that it says is believed but a well-formed answer of bounded size.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import structlog

from services.knowledge.document import Reading
from services.knowledge.fetched import Fetched
from services.knowledge.problem import IngestionProblem
from services.knowledge.reading import answer
from services.knowledge.reading.answer import Answer, Job, Read
from services.knowledge.reading.limits import MIB, Limits

AT_ONCE: Final = 2
_ROOT: Final = Path(__file__).parents[3]
_COMMAND: Final = (sys.executable, "-P", "-s", "-B", "-m", "services.knowledge.reading.child")
_ENVIRONMENT: Final = {
    "PYTHONPATH": str(_ROOT),
    "PYTHONUTF8": "1",
    # The same bytes are read into the same blocks, down to the order of sets.
    "PYTHONHASHSEED": "0",
}
_PIPE_BYTES: Final = 1 << 20

log = structlog.get_logger(__name__)


class Reader:
    """
    Reads documents, at most *at_once* at the same time; whoever comes later waits.

    Belongs to the loop that it is first used in.
    """

    def __init__(self, limits: Limits | None = None, *, at_once: int = AT_ONCE) -> None:
        self.limits = limits or Limits()
        self._free = asyncio.Semaphore(at_once)

    async def read(self, fetched: Fetched) -> Reading:
        """Return what *fetched* says; raises IngestionProblem."""
        check_size(fetched, self.limits)
        async with self._free:
            return await read(fetched, self.limits)


async def read(fetched: Fetched, limits: Limits) -> Reading:
    """Read *fetched* in a process of its own; raises IngestionProblem."""
    check_size(fetched, limits)
    found = await _ask(answer.encode(Job(fetched, limits)), limits)
    if isinstance(found, Read):
        return found.reading
    if found.detail:
        log.warning("a document could not be read", code=found.code, detail=found.detail)
    raise IngestionProblem(found.code, found.what)


def check_size(fetched: Fetched, limits: Limits) -> None:
    """Raise IngestionProblem where there is more than may be read."""
    if len(fetched.body) > limits.bytes_max:
        raise IngestionProblem(
            "too_large",
            f"It has {len(fetched.body) / MIB:,.1f} MiB; at most {limits.bytes_max // MIB:,} MiB"
            " can be read. Split it, or leave out its pictures.",
        )


async def _ask(job: bytes, limits: Limits) -> Answer:
    process = await asyncio.create_subprocess_exec(
        *_COMMAND,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=_PIPE_BYTES,
        cwd="/",
        env=_ENVIRONMENT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(limits.wall_s):
            said = await _converse(process, job, limits.answer_bytes_max)
            status = await process.wait()
    except TimeoutError:
        raise IngestionProblem(
            "too_slow", f"Reading it takes longer than {limits.wall_s} seconds.", may_pass=True
        ) from None
    finally:
        await _end(process)
    return _answer_of(said, status, limits)


async def _converse(process: asyncio.subprocess.Process, job: bytes, most: int) -> bytes:
    """Send the job and return what is answered, at most *most* bytes and one."""
    told, said = process.stdin, process.stdout
    assert told is not None
    assert said is not None
    sending = asyncio.create_task(_send(told, job))
    try:
        return await _receive(said, most)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _send(told: asyncio.StreamWriter, job: bytes) -> None:
    try:
        told.write(job)
        await told.drain()
        told.close()
    except (BrokenPipeError, ConnectionResetError):
        # It has ended; what it answered, or that it answered nothing, says why.
        return


async def _receive(said: asyncio.StreamReader, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while size <= most and (part := await said.read(_PIPE_BYTES)):
        parts.append(part)
        size += len(part)
    if size > most:
        raise IngestionProblem(
            "too_large", f"What it says takes more than {most // MIB:,} MiB. Split it."
        )
    return b"".join(parts)


async def _end(process: asyncio.subprocess.Process) -> None:
    # Its group may hold what it started, also when it has ended itself; usually nothing is left.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await asyncio.shield(process.wait())


def _answer_of(said: bytes, status: int, limits: Limits) -> Answer:
    if status == -signal.SIGXCPU:
        raise IngestionProblem(
            "too_slow", f"Reading it takes more than {limits.cpu_s} seconds of a processor."
        )
    if status == -signal.SIGKILL:
        raise IngestionProblem(
            "too_much_memory", "The system ended the process that read it.", may_pass=True
        )
    if status != 0:
        log.warning("a reading process died", status=status)
        raise IngestionProblem(
            "damaged",
            "Reading it brings down the process that reads. Open it, and save or export it anew.",
        )
    try:
        return answer.answer_of(said)
    except msgspec.MsgspecError:
        log.warning("a reading process gave no proper answer", size=len(said))
        raise IngestionProblem("damaged", "Reading it comes to nothing that can be used.") from None
