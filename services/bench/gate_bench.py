"""
The gate beside raw nats-py: decisions a second and their latency.

A client process asks; an echo process or a worker process answers; nats-server is between them.
Echo and gate are measured in turn, round by round, by the very same client loop, and the ratio of
a round is what counts: the machine may change between rounds, hardly within one.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
from time import perf_counter

import msgspec
import nats
from nats.js.api import StreamConfig

from services.bench.bus import BASELINE, Bus, fresh_bus
from services.bench.domain_bench import provision
from services.bench.echo import SUBJECT
from services.bench.quantiles import Latency
from services.bench.requester import Job, Result, payload
from services.client import GateClient

IN_FLIGHT = 256
ROUNDS = 5
REQUESTS = 20_000
UNLOADED_REQUESTS = 600
TENANTS = 1_000
HOT_TTL_MS = 2_000
CROWD_TTL_MS = 120_000
_SCRATCH = "bench.scratch"


class Comparison(msgspec.Struct, frozen=True):
    """Ours and the raw baseline of the same rounds, medians; *ratio* is the median of ratios."""

    ours_per_s: float
    raw_per_s: float
    ratio: float
    ours: Latency
    raw: Latency


class GateFigures(msgspec.Struct, frozen=True):
    """Every figure of the gate. *unloaded_ratio* is p50 over echo p50 plus fenced publish p50."""

    one_tenant: Comparison
    many_tenants: Comparison
    unloaded_ours_p50_ms: float
    unloaded_echo_p50_ms: float
    fenced_publish_p50_ms: float
    unloaded_ratio: float


async def measure(*, rounds: int = ROUNDS, requests: int = REQUESTS) -> GateFigures:
    """Measure on a fresh bus. Takes about a minute."""
    async with fresh_bus() as bus:
        await bus.start_worker()
        await bus.start_echo()
        await _provision(bus, ["hot", *_crowd()])
        one, many = [], []
        for number in range(rounds):
            echo = await _run(bus, f"e{number}", [], IN_FLIGHT, requests)
            one.append((await _run(bus, f"h{number}", ["hot"], IN_FLIGHT, requests), echo))
            echo = await _run(bus, f"f{number}", [], IN_FLIGHT, requests)
            many.append((await _run(bus, f"m{number}", _crowd(), IN_FLIGHT, requests), echo))
        alone = [await _unloaded(bus, number) for number in range(rounds)]
        return GateFigures(
            _compare(one),
            _compare(many),
            *(statistics.median(column) for column in zip(*alone, strict=True)),
        )


def _crowd() -> list[str]:
    return [f"twin-{number}" for number in range(TENANTS)]


async def _provision(bus: Bus, tenants: list[str]) -> None:
    login = bus.settings.nats("client")
    async with GateClient.connect(
        list(login.urls), tenant=tenants[0], user=login.user, password=login.password.reveal()
    ) as client:
        told = provision()
        for start in range(0, len(tenants), 50):
            await asyncio.gather(
                *(
                    client.for_tenant(tenant).provision(
                        display_name=told.display_name,
                        organisation=told.organisation,
                        policy=told.policy,
                        price_book=told.price_book,
                        activation="immediate",
                    )
                    for tenant in tenants[start : start + 50]
                )
            )


async def _run(bus: Bus, name: str, tenants: list[str], in_flight: int, total: int) -> Result:
    user = "client" if tenants else BASELINE
    job = Job(
        url=bus.server.url,
        user=user,
        password=bus.server.password(user),
        name=name,
        in_flight=in_flight,
        total=total,
        # Nothing is settled here: one tenant's holds must end before there are too many of them.
        ttl_ms=HOT_TTL_MS if len(tenants) == 1 else CROWD_TTL_MS,
        subject=SUBJECT,
        tenants=tenants,
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.bench.requester",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate(msgspec.json.encode(job))
    result = msgspec.json.decode(output, type=Result)
    if tenants and result.granted != total:
        raise RuntimeError(f"{total - result.granted} of {total} calls were not granted")
    return result


def _compare(rounds: list[tuple[Result, Result]]) -> Comparison:
    middle = statistics.median
    return Comparison(
        middle(ours.per_s for ours, _ in rounds),
        middle(raw.per_s for _, raw in rounds),
        middle(ours.per_s / raw.per_s for ours, raw in rounds),
        _typical([ours for ours, _ in rounds]),
        _typical([raw for _, raw in rounds]),
    )


def _typical(results: list[Result]) -> Latency:
    middle = statistics.median
    return Latency(
        middle(result.latency.p50_ms for result in results),
        middle(result.latency.p99_ms for result in results),
    )


async def _unloaded(bus: Bus, number: int) -> tuple[float, float, float, float]:
    """One request at a time: ours, the echo, a raw fenced publish, and the ratio. Milliseconds."""
    echo = (await _run(bus, f"u{number}", [], 1, UNLOADED_REQUESTS)).latency.p50_ms
    publish = await _fenced_publish_p50_ms(bus)
    ours = (await _run(bus, f"v{number}", ["hot"], 1, UNLOADED_REQUESTS)).latency.p50_ms
    return ours, echo, publish, ours / (echo + publish)


async def _fenced_publish_p50_ms(bus: Bus) -> float:
    """A plain nats-py publish to a stream on disk, fenced as a commit is."""
    connection = await nats.connect(bus.server.url_for(BASELINE))
    jetstream = connection.jetstream()
    await jetstream.add_stream(StreamConfig(name="SCRATCH", subjects=[f"{_SCRATCH}.>"]))
    sequence, times_s = 0, []
    info = await jetstream.stream_info("SCRATCH")
    sequence = info.state.last_seq
    for _ in range(UNLOADED_REQUESTS):
        headers = {
            "Nats-Expected-Last-Subject-Sequence": str(sequence),
            "Nats-Expected-Last-Subject-Sequence-Subject": f"{_SCRATCH}.>",
        }
        began_s = perf_counter()
        ack = await jetstream.publish(
            f"{_SCRATCH}.budget", payload("x" * 300, 1_000), headers=headers
        )
        times_s.append(perf_counter() - began_s)
        sequence = ack.seq
    await connection.close()
    return Latency.of(times_s).p50_ms


__all__ = ["Comparison", "GateFigures", "measure"]
