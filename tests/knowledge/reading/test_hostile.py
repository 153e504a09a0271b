"""Whatever is in a file: it is read or refused with a reason, and nobody else notices."""

from __future__ import annotations

import asyncio

import pytest

from services.knowledge.fetched import Fetched
from services.knowledge.problem import IngestionProblem
from services.knowledge.reading.limits import MIB, Limits
from services.knowledge.reading.media_type import TEXT
from services.knowledge.reading.reader import Reader, read
from tests.knowledge.reading import fuzz, good, hostile
from tests.knowledge.reading.batch import LIMITS, READ, end_of, ends_of

# The whole: python -m tests.knowledge.reading.fuzz
FUZZED = 200


async def test_every_crafted_file_ends_as_it_should():
    """Over a hundred: bombs, loops, lies, depths, passwords, wrong types."""
    files = hostile.every()
    assert len(files) > 100

    found = await ends_of([fetched for fetched, _ in files.values()])

    wrong = {
        name: end
        for (name, (_, ends)), end in zip(files.items(), found, strict=True)
        if end not in ends
    }
    assert not wrong


async def test_broken_files_are_read_or_refused():
    """Two hundred of the two thousand that the command reads; every kind must survive some."""
    documents = [fetched for _, fetched in fuzz.broken(FUZZED, fuzz.SEED)]

    found = await ends_of(documents)

    assert len(found) == FUZZED
    # Or the fuzzer breaks everything at once, and nothing deeper is ever reached.
    assert found.count(READ) > FUZZED / 4
    assert "damaged" in found


async def test_a_bomb_leaves_its_neighbours_alone():
    """In processes of their own, as in production, at the same time."""
    reader = Reader(LIMITS, at_once=3)
    files = hostile.every()
    bombs = [files[name][0] for name in ("pdf: flate bomb", "docx: depth 100,000")]
    neighbours = list(good.every().values())[:4]

    found = await asyncio.gather(*(end_of(reader, one) for one in [*bombs, *neighbours]))

    assert READ not in found[:1]
    assert found[2:] == [READ] * 4


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(answer_bytes_max=100), "too_large"),
        (Limits(bytes_max=100), "too_large"),
        (Limits(pages_max=1), "too_many_pages"),
        (Limits(characters_max=50), "too_large"),
        (Limits(blocks_max=2), "too_large"),
    ],
)
async def test_each_limit_is_kept(limits, code):
    """A limit that nothing ever meets is none."""
    assert await end_of(Reader(limits), good.every()["pdf"]) == code


async def test_memory_has_an_end():
    """Sixteen million characters are taken down in no hundred megabytes."""
    limits = Limits(memory_bytes=96 * MIB, characters_max=100_000_000)
    fetched = Fetched(body=b"palabra " * 2_000_000, media_type=TEXT)

    assert await end_of(Reader(limits), fetched) == "too_much_memory"


async def test_whoever_takes_too_long_is_ended():
    """By the clock, and its whole group with it; it may be that the machine is busy."""
    with pytest.raises(IngestionProblem, match="too_slow") as raised:
        await read(good.every()["pdf"], Limits(wall_s=0))

    assert raised.value.may_pass


async def test_a_document_gives_the_same_reading_in_every_process():
    """What is approved is a hash: it must not hang on the order of a set."""
    fetched = good.every()["page"]

    assert await read(fetched, LIMITS) == await read(fetched, LIMITS)
