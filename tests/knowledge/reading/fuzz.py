"""
Good documents, broken under a seed: `python -m tests.knowledge.reading.fuzz [count] [seed]`.

Each is read in a process of its own, as in production, two at once, with the crafted ones of
`hostile` and with good ones in between. Prints how they ended; exits with 1 when one ended neither
read nor refused, when a good one was not read, or when a process had more memory than it may.
"""

from __future__ import annotations

import asyncio
import logging
import random
import resource
import sys
from collections import Counter
from collections.abc import Iterator
from time import perf_counter

import msgspec
import structlog

from services.knowledge.fetched import Fetched
from services.knowledge.reading.reader import Reader
from tests.knowledge.reading import good, hostile
from tests.knowledge.reading.batch import LIMITS, READ, end_of

COUNT = 2_000
SEED = 20_260_101
# Numbers and words that parsers trip over.
ODD = (b"\0", b"\xff" * 8, b"-1", b"999999999999", b"<<", b">>", b"[", b"]", b"(", b"endstream")
ODD += (
    b"<",
    b"</",
    b"<!--",
    b"&",
    b"PK\x01\x02",
    b"%",
    b"1e999",
    b"{",
    b'"',
    b"\\u0000",
    b"\xed\xa0\x80",
)


def broken(count: int, seed: int) -> Iterator[tuple[str, Fetched]]:
    """*count* documents by a name that says how to make each again."""
    kinds = good.every()
    names = list(kinds)
    for number in range(count):
        chance = random.Random(f"{seed}.{number}")
        name = names[number % len(names)]
        whole = kinds[name]
        body = bytearray(whole.body)
        for _ in range(chance.choice((1, 1, 2, 4, 16, 64))):
            _break(body, chance)
        yield f"{seed}.{number} {name}", msgspec.structs.replace(whole, body=bytes(body))


def _break(body: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(body) + 1)
    size = chance.choice((1, 1, 2, 8, 64, 512))
    match chance.randrange(6):
        case 0:
            body[at : at + 1] = bytes([chance.randrange(256)])
        case 1:
            del body[at : at + size]
        case 2:
            body[at:at] = chance.choice(ODD) * chance.choice((1, 1, 3, 50))
        case 3:
            other = chance.randrange(len(body) + 1)
            body[at:at] = body[other : other + size]
        case 4:
            body[at : at + size] = chance.randbytes(size)
        case _:
            del body[max(at, 1) :]


async def _all(count: int, seed: int) -> bool:
    reader = Reader(LIMITS)
    ends: Counter[str] = Counter()
    unread: list[str] = []
    neighbours = list(good.every().values())
    crafted = [(name, fetched) for name, (fetched, _) in hostile.every().items()]

    async def one(number: int, name: str, fetched: Fetched) -> None:
        if number % 20 == 0:
            end = await end_of(reader, neighbours[number // 20 % len(neighbours)])
            unread.extend([name] if end != READ else [])
        ends[await end_of(reader, fetched)] += 1

    began_s = perf_counter()
    documents = [*crafted, *broken(count, seed)]
    await asyncio.gather(*(one(at, name, it) for at, (name, it) in enumerate(documents)))
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"{len(documents):,} documents in {perf_counter() - began_s:.0f} s: {dict(ends)}")
    print(f"good ones beside them that were not read: {unread or 'none'}")
    print(f"most memory of a process: {most >> 20} MiB of {LIMITS.memory_bytes >> 20}")
    return not unread and most <= LIMITS.memory_bytes


def main() -> None:
    """Break and read as many as the command line says."""
    # Each refusal is logged; here they are counted.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    count, seed = (*map(int, sys.argv[1:]), *(COUNT, SEED)[len(sys.argv) - 1 :])
    sys.exit(0 if asyncio.run(_all(count, seed)) else 1)


if __name__ == "__main__":
    main()
