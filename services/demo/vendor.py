"""
The vendor of the demo: a counting vendor in a process of its own.

In one process with the traffic it would take the traffic's time and show up in its latencies.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from services.embedded import ports
from services.supervisor.readiness import announce
from services.supervisor.service import Service, ServiceSpec
from services.vendors.counting_vendor import LOOPBACK, CountingVendor

STOP_S = 2.0


@asynccontextmanager
async def running_vendor() -> AsyncIterator[str]:
    """Start the vendor and yield its address; it ends with the block or with this process."""
    port = ports.pick()
    with tempfile.TemporaryDirectory(prefix="vito-vendor-") as directory:
        process = Service(
            ServiceSpec("vendor", (sys.executable, "-m", "services.demo.vendor", str(port))),
            log=Path(directory) / "vendor.log",
            environment=lambda: os.environ,
        )
        await process.start()
        try:
            yield f"http://{LOOPBACK}:{port}"
        finally:
            await process.stop(STOP_S)


async def _serve(port: int) -> None:
    async with CountingVendor(port):
        announce()
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
