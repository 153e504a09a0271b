"""A file may come slowly, but it has to come: bounded by its progress, not by a time for all."""

import asyncio

import pytest

from contracts.lookup import PIECE_BYTES_MAX, UploadPiece
from services.http_door.knowledge import TENANT_FILES_AT_ONCE, pieces
from services.http_door.progress import FLOW, flowing
from services.knowledge.uploads import NEXT_PIECE_S
from services.query_api.problems import HttpProblem
from tests.http_door.conftest import OWN
from tests.http_door.people import bearer
from tests.query_api.conftest import KEY
from tests.simulation.virtual_time import run

KIB, MIB = 1 << 10, 1 << 20


async def sent(chunk: int, pause_s: float, times: int):
    """A sender: so many chunks, each after a pause."""
    for _ in range(times):
        await asyncio.sleep(pause_s)
        yield bytes(chunk)


async def received(chunks, ours_s: float = 0.0) -> int:
    total = 0
    async for chunk in flowing(chunks):
        total += len(chunk)
        await asyncio.sleep(ours_s)
    return total


@pytest.mark.parametrize(
    ("chunk", "pause_s", "times"),
    [
        # 20 MiB at 8 KiB/s: three quarters of an hour.
        (8 * KIB, 1.0, 20 * 128),
        # The last window may be short: the end of a file is no stall.
        (64 * KIB, 9.0, 3),
        (1, 0.001, 1),
    ],
)
def test_a_large_file_on_a_slow_line_comes_through(chunk, pause_s, times):
    """Far beyond what any other request may take."""
    assert run(1, received(sent(chunk, pause_s, times))) == chunk * times


@pytest.mark.parametrize(
    ("chunk", "pause_s"),
    [
        # Nothing any more; a byte now and then to stay; a little less than what must come.
        (64 * KIB, 10.5),
        (1, 1.0),
        (6 * KIB, 1.0),
    ],
)
def test_what_does_not_come_any_more_is_cut(chunk, pause_s):
    """Within one window of the last progress, whatever is dripped in between."""

    async def cut() -> float:
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(HttpProblem) as stalled:
            await received(sent(chunk, pause_s, 10_000))
        assert (stalled.value.kind.code, stalled.value.kind.status) == ("upload_stalled", 408)
        return asyncio.get_running_loop().time() - began_s

    assert run(1, cut()) == pytest.approx(FLOW.window_s)


def test_nothing_keeps_a_place_for_ever_and_our_own_time_is_not_theirs():
    """However steady it drips; and while we store what came nobody has stalled."""

    async def cut() -> None:
        with pytest.raises(HttpProblem):
            await received(sent(8 * KIB, 1.0, 2 * int(FLOW.whole_s)))

    run(1, cut())
    assert run(1, received(sent(64 * KIB, 1.0, 5), ours_s=60.0)) == 5 * 64 * KIB


@pytest.mark.parametrize(("chunk", "pause_s"), [(64 * KIB, 0.0), (64 * KIB, 9.0), (8 * KIB, 1.0)])
def test_a_slow_file_goes_on_piece_by_piece(chunk, pause_s):
    """Whoever puts pieces together waits for the next a while: one is always there before."""

    async def gathered() -> tuple[int, float, int]:
        loop, last_s, longest_s, total, largest = asyncio.get_running_loop(), 0.0, 0.0, 0, 0
        async for piece in pieces(flowing(sent(chunk, pause_s, 100))):
            longest_s, last_s = max(longest_s, loop.time() - last_s), loop.time()
            total, largest = total + len(piece), max(largest, len(piece))
        return total, longest_s, largest

    total, longest_s, largest = run(1, gathered())

    assert total == 100 * chunk
    assert longest_s < NEXT_PIECE_S - FLOW.window_s / 2
    assert largest <= PIECE_BYTES_MAX


async def test_few_files_come_at_once_and_the_place_is_free_again(site):
    """Slow ones are no flood: a third of the same twin is told to come again, unread."""
    go_on, begun = asyncio.Event(), asyncio.Semaphore(0)
    headers = bearer(KEY) | {"Content-Type": "application/octet-stream"}

    async def slow():
        yield b"a"
        # It is asked for more when the first has been sent.
        begun.release()
        await go_on.wait()
        yield b"b"

    async def upload(name, data):
        path = f"/v1/tenants/{OWN}/knowledge/{name}/upload?name=a.txt&title=A"
        return await site.post(path, headers, key=f"upload-of-{name}", data=data)

    coming = [asyncio.create_task(upload(f"slow{n}", slow())) for n in range(TENANT_FILES_AT_ONCE)]
    for _ in coming:
        await begun.acquire()
    refused = await upload("more", b"c")
    go_on.set()

    assert (refused.status, refused.json["code"]) == (503, "overloaded")
    assert [answer.status for answer in await asyncio.gather(*coming)] == [200, 200]
    assert (await upload("after", b"c")).status == 200
    heard = [one for _, one, _ in site.world.gate.heard if isinstance(one, UploadPiece)]
    assert {one.data for one in heard} == {b"ab", b"c"}
