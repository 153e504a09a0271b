"""
Load from a process of its own: `python -m tests.rig.load` with a job on standard input.

Authorises and settles for as long as it is told, and prints one JSON line for every answer that it
got, so that a test can hold the log to every one of them.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time

from contracts.usage import Usage
from services import logs
from services.client import CannotVerify, GateClient
from services.client.patience import Patience

ONE = Usage(requests=1)


async def one_client(gate: GateClient, job: dict, name: str, ended: asyncio.Event) -> None:
    number = 0
    while not ended.is_set() and number < job["calls_max"]:
        number += 1
        command_id = f"{job['name']}-{name}-{number}"
        decision = await authorize(gate, job, command_id)
        if decision is None:
            continue
        if decision.status == 200 and job["settle"]:
            await settle(gate, decision.reservation_id, command_id + "-s")
        if decision.status != 200:
            await asyncio.sleep(job["pause_s"])
        elif job["think_s"]:
            await asyncio.sleep(job["think_s"])


async def authorize(gate: GateClient, job: dict, command_id: str):
    began_s = time.monotonic()
    try:
        decision = await gate.authorize(
            modality="text",
            provider_id="p",
            sku="s",
            estimate=ONE,
            ttl_ms=job["ttl_ms"],
            command_id=command_id,
        )
    except CannotVerify:
        tell(kind="unknown", asked="authorize", tenant=gate.tenant, command_id=command_id)
        return None
    tell(
        kind="authorize",
        tenant=gate.tenant,
        command_id=command_id,
        status=decision.status,
        code=decision.code,
        decision_id=decision.decision_id,
        position=decision.position,
        at_s=time.monotonic(),
        took_s=time.monotonic() - began_s,
    )
    return decision


async def settle(gate: GateClient, reservation_id: str, command_id: str) -> None:
    began_s = time.monotonic()
    try:
        receipt = await gate.settle(reservation_id, ONE, command_id=command_id)
    except CannotVerify:
        tell(
            kind="unknown",
            asked="settle",
            tenant=gate.tenant,
            command_id=command_id,
            reservation_id=reservation_id,
        )
        return
    tell(
        kind="settle",
        tenant=gate.tenant,
        command_id=command_id,
        status=receipt.status,
        code=receipt.code,
        cost_nanos=receipt.cost_nanos,
        decision_id=receipt.decision_id,
        position=receipt.position,
        at_s=time.monotonic(),
        took_s=time.monotonic() - began_s,
    )


def tell(**line) -> None:
    print(json.dumps(line))


def end_at_the_end_of_input(ended: asyncio.Event) -> None:
    """Set *ended* when the other end of standard input is closed."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        sys.stdin.readline()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=read, daemon=True).start()


async def main() -> None:
    logs.configure("load", level="error")
    job = json.loads(sys.stdin.readline())
    patience = Patience(deadline_s=job["deadline_s"], attempt_s=job["attempt_s"])
    async with GateClient.connect(
        job["urls"],
        tenant=job["tenants"][0],
        user="client",
        password=job["password"],
        patience=patience,
        booking=patience,
    ) as gate:
        clients = [
            (gate.for_tenant(tenant), f"{tenant}-{n}")
            for tenant in job["tenants"]
            for n in range(job["clients"])
        ]
        print("connected", flush=True)
        sys.stdin.readline()
        ended = asyncio.Event()
        if job["seconds"] is None:
            end_at_the_end_of_input(ended)
        else:
            asyncio.get_running_loop().call_later(job["seconds"], ended.set)
        await asyncio.gather(*(one_client(c, job, name, ended) for c, name in clients))
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
