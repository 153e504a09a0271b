"""
A command of ours run for somebody who asked, in a process of its own.

It runs as the bus's auditor, with this process's settings: what it takes of memory ends with it,
and a prover goes on hearing meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from typing import Final

import msgspec

from services.failure import Failure
from services.settings import READY_FD

STOP_S: Final = 2.0
_OUTPUT_BYTES_MAX: Final = 1 << 20
_TOLD_CHARS_MAX: Final = 500


class Ran(msgspec.Struct, frozen=True):
    """What came of it: *said* on its output, and *problem*, if it has told one."""

    command: str
    code: int
    said: bytes
    problem: Failure | None

    def failure(self) -> Failure:
        """Say why there is no result."""
        return self.problem or Failure(
            f"`vito {self.command}` ended with {self.code}.", "run it by hand to see why."
        )


async def run(
    *arguments: str, given: bytes = b"", note: Callable[[int, int], None] | None = None
) -> Ran:
    """Run `vito` with these *arguments*, *given* on its input; *note* hears of its progress."""
    env = {name: value for name, value in os.environ.items() if name != READY_FD}
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.cli", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_OUTPUT_BYTES_MAX,
        env=env,
    )
    try:
        assert child.stdout is not None
        assert child.stderr is not None
        said, told, _ = await asyncio.gather(
            child.stdout.read(), _follow(child.stderr, note), _give(child.stdin, given)
        )
        code = await child.wait()
    finally:
        await _end(child)
    problem = None
    if "error:" in told:
        problem = Failure(told["error:"], told.get("remedy:", "run it by hand to see why."))
    return Ran(arguments[0], code, said, problem)


async def _give(stdin: asyncio.StreamWriter | None, given: bytes) -> None:
    assert stdin is not None
    # Whoever did not read to the end says so on its errors.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stdin.write(given)
        await stdin.drain()
    stdin.close()


async def _follow(
    errors: asyncio.StreamReader, note: Callable[[int, int], None] | None
) -> dict[str, str]:
    """Note the progress that is told; return what is said to be wrong, and what to do."""
    told: dict[str, str] = {}
    async for line in errors:
        word, _, rest = line.decode(errors="replace").strip().partition(" ")
        if word == "progress" and note is not None:
            position, _, end = rest.partition(" ")
            note(int(position), int(end))
        elif word in ("error:", "remedy:"):
            # Nothing else is passed on: a traceback is for the server's operator.
            told[word] = rest[:_TOLD_CHARS_MAX]
    return told


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    child.terminate()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(child.wait(), STOP_S)
    if child.returncode is None:
        child.kill()
        await child.wait()
