"""
Load from a process of its own: `python -m tests.rig.load` with a job on standard input.

Authorises and settles for as long as it is told, and prints one JSON line for every answer that it
got, so that a test can hold the log to every one of them.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from contracts.usage import Usage
from services import logs
from services.client import CannotVerify, GateClient
from services.client.patience import Patience


async def one_client(gate: GateClient, job: dict, name: str, until_s: float) -> None:
    number = 0
    while time.monotonic() < until_s and number < job["calls_max"]:
        number += 1
        command_id = f"{job['name']}-{name}-{number}"
        began_s = time.monotonic()
        try:
            decision = await gate.authorize(
                modality="text",
                provider_id="p",
                sku="s",
                estimate=Usage(requests=1),
                ttl_ms=job["ttl_ms"],
                command_id=command_id,
            )
        except CannotVerify:
            tell(kind="unknown", tenant=gate.tenant, command_id=command_id)
            continue
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
        if decision.status == 200 and job["settle"]:
            await settle(gate, decision.reservation_id, command_id + "-s")
        if decision.status != 200:
            await asyncio.sleep(job["pause_s"])


async def settle(gate: GateClient, reservation_id: str, command_id: str) -> None:
    try:
        receipt = await gate.settle(reservation_id, Usage(requests=1), command_id=command_id)
    except CannotVerify:
        tell(kind="unknown", tenant=gate.tenant, command_id=command_id)
        return
    tell(
        kind="settle",
        tenant=gate.tenant,
        command_id=command_id,
        status=receipt.status,
        code=receipt.code,
        decision_id=receipt.decision_id,
        position=receipt.position,
        at_s=time.monotonic(),
        took_s=0.0,
    )


def tell(**line) -> None:
    print(json.dumps(line))


async def main() -> None:
    logs.configure("load", level="error")
    job = json.loads(sys.stdin.readline())
    async with GateClient.connect(
        job["urls"],
        tenant=job["tenants"][0],
        user="client",
        password=job["password"],
        patience=Patience(deadline_s=job["deadline_s"], attempt_s=job["attempt_s"]),
        booking=Patience(deadline_s=job["deadline_s"], attempt_s=job["attempt_s"]),
    ) as gate:
        clients = [
            (gate.for_tenant(tenant), f"{tenant}-{n}")
            for tenant in job["tenants"]
            for n in range(job["clients"])
        ]
        print("connected", flush=True)
        sys.stdin.readline()
        until_s = time.monotonic() + job["seconds"]
        await asyncio.gather(*(one_client(c, job, name, until_s) for c, name in clients))
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
