"""
Progress: a file may come as slowly as a line is, but it has to come.

A fixed time for a whole request would refuse large files on slow lines; none would let anybody
keep a place for ever. So bytes are counted: in each WINDOW_S at least WINDOW_BYTES, and all of it
within WHOLE_S.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Final

import msgspec

from services.query_api.problems import HttpProblem, Kind

UPLOAD_STALLED: Final = Kind(
    "upload_stalled",
    HTTPStatus.REQUEST_TIMEOUT,
    "The file came too slowly, or not any more.",
    "Nothing of it was kept: send it again with the same key, over a better line.",
)


class Flow(msgspec.Struct, frozen=True):
    """How a file has to come: *window_bytes* in each *window_s*, everything within *whole_s*."""

    window_s: float = 10.0
    window_bytes: int = 64 * 1024
    whole_s: float = 3_600.0


FLOW: Final = Flow()


async def flowing(chunks: AsyncIterator[bytes], flow: Flow = FLOW) -> AsyncIterator[bytes]:
    """
    Pass chunks on as long as they come; raises HttpProblem (408) when they do not any more.

    What whoever takes them needs is not counted: that is our slowness and not theirs.
    """
    now_s = asyncio.get_running_loop().time
    window_ends_s, whole_ends_s, received = now_s() + flow.window_s, now_s() + flow.whole_s, 0
    while True:
        try:
            async with asyncio.timeout_at(min(window_ends_s, whole_ends_s)):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise HttpProblem(
                UPLOAD_STALLED,
                f"Less than {flow.window_bytes} bytes came within {flow.window_s:g} s, or the"
                f" whole takes longer than {flow.whole_s:g} s.",
            ) from None
        if chunk is None:
            return
        received += len(chunk)
        taken_s = now_s()
        if received >= flow.window_bytes:
            window_ends_s, received = taken_s + flow.window_s, 0
        yield chunk
        ours_s = now_s() - taken_s
        window_ends_s, whole_ends_s = window_ends_s + ours_s, whole_ends_s + ours_s
