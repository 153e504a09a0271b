"""
One client process: `python -m services.bench.requester` with a job on standard input.

Sends requests with plain nats-py, so many in flight, to the echo and to the gate alike: the same
loop, the same payload, so that what is compared is what answers. Prints its figures as JSON.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from itertools import count, cycle
from time import perf_counter

import msgspec
import nats
import uvloop

from services.bench.quantiles import Latency

_GRANTED = b'{"decision":"PASS"'


class Job(msgspec.Struct):
    """*tenants* are taken in turn; without any, *subject* is asked. *total* counts requests."""

    url: str
    user: str
    password: str
    name: str
    in_flight: int
    total: int
    ttl_ms: int
    subject: str = ""
    tenants: list[str] = []


class Result(msgspec.Struct):
    """What one run reached. *granted* of the answers let a call pass."""

    requests: int
    seconds: float
    latency: Latency
    granted: int

    @property
    def per_s(self) -> float:
        """Requests answered in a second."""
        return self.requests / self.seconds


def payload(command_id: str, ttl_ms: int) -> bytes:
    """An authorisation as a service would send it; the echo gets the same bytes."""
    return (
        b'{"command_id":"%b","modality":"text","provider_id":"openai","sku":"gpt-4o-mini",'
        b'"estimate":{"input_tokens":374,"output_tokens":44},"ttl_ms":%d}'
    ) % (command_id.encode(), ttl_ms)


async def ask(job: Job) -> Result:
    """Keep *in_flight* requests going until *total* are answered."""
    bus = await nats.connect(
        job.url, user=job.user, password=job.password, inbox_prefix=f"_INBOX_{job.user}"
    )
    subjects: Iterator[str] = cycle(
        [f"cmd.{tenant}.budget.authorize" for tenant in job.tenants] or [job.subject]
    )
    numbers = count()
    times_s: list[float] = []
    granted = 0

    async def one_after_the_other() -> None:
        nonlocal granted
        while (number := next(numbers)) < job.total:
            body = payload(f"{job.name}-{number}", job.ttl_ms)
            began_s = perf_counter()
            answer = await bus.request(next(subjects), body, timeout=60)
            times_s.append(perf_counter() - began_s)
            granted += answer.data.startswith(_GRANTED)

    began_s = perf_counter()
    await asyncio.gather(*(one_after_the_other() for _ in range(job.in_flight)))
    seconds = perf_counter() - began_s
    await bus.close()
    return Result(len(times_s), seconds, Latency.of(times_s), granted)


if __name__ == "__main__":
    result = uvloop.run(ask(msgspec.json.decode(sys.stdin.buffer.read(), type=Job)))
    sys.stdout.buffer.write(msgspec.json.encode(result))
