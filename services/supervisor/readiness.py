"""
How a service tells its supervisor that it is ready: one line on an inherited pipe.

A service is ready when a request to it would be answered. Without a supervisor (started
by hand, in a container) telling is a no-op.
"""

import asyncio
import os
from collections.abc import Mapping
from typing import Self

from services.settings import READY_FD

READY = b"ready\n"


def announce(env: Mapping[str, str] = os.environ) -> None:
    """Tell whoever started us, if anybody asked, that we are ready. Call it once."""
    text = env.get(READY_FD)
    if not text:
        return
    with os.fdopen(int(text), "wb") as pipe:
        pipe.write(READY)


class ReadyPipe:
    """
    The supervisor's end. Use as a context manager around the start of the child:

        with ReadyPipe() as pipe:
            spawn(pass_fds=(pipe.child_end,), env={READY_FD: str(pipe.child_end)})
            pipe.release_child_end()
            ready = await pipe.wait()
    """

    def __init__(self) -> None:
        self._read_end, self.child_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._holds_child_end = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.release_child_end()
        os.close(self._read_end)

    def release_child_end(self) -> None:
        """Close our copy of it; else the end of the child would go unnoticed."""
        if self._holds_child_end:
            os.close(self.child_end)
            self._holds_child_end = False

    async def wait(self) -> bool:
        """True once the child said it is ready, False when it closed the pipe without."""
        loop = asyncio.get_running_loop()
        said = b""
        while len(said) < len(READY):
            readable = asyncio.Event()
            loop.add_reader(self._read_end, readable.set)
            try:
                await readable.wait()
            finally:
                loop.remove_reader(self._read_end)
            chunk = os.read(self._read_end, len(READY) - len(said))
            if not chunk:
                return False
            said += chunk
        return said == READY
