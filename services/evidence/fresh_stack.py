"""A stack of its own for evidence: what `vito up` starts, in a directory that is deleted."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from services.client.connection import of_login
from services.client.read_side import ReadSide
from services.evidence.target import Target
from services.identity.api_key import environment_of
from services.supervisor.lock import DataDirLock
from services.supervisor.stack import Stack
from services.supervisor.supervisor import Event, Step, Supervisor

START_S = 120.0


@asynccontextmanager
async def fresh_stack(
    env: Mapping[str, str], notify: Callable[[Event], None]
) -> AsyncIterator[Target]:
    """
    Start everything in a temporary directory and yield what to measure.

    Settings of *env* that name another deployment are left out. *notify* hears what starts.
    """
    directory = Path(tempfile.mkdtemp(prefix="vito-evidence-"))
    plain = {name: value for name, value in env.items() if not name.startswith("VITO_")}
    try:
        with DataDirLock(directory):
            # What is measured is not to wait for documents that are read beside it.
            own = {"VITO_DATA_DIR": str(directory), "VITO_DEMO_KNOWLEDGE": "false"}
            stack = Stack({**plain, **own})
            async with _running(stack, notify):
                settings = stack.client_settings()
                login = of_login(settings.nats("client"))
                async with ReadSide(stack.run.api_url, settings.bearer_key()) as read_side:
                    yield Target(
                        login,
                        read_side,
                        environment_of(settings.deployment),
                        gateway_url=stack.run.gateway_url,
                        sandbox_url=stack.run.sandbox_url,
                    )
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@asynccontextmanager
async def _running(stack: Stack, notify: Callable[[Event], None]) -> AsyncIterator[None]:
    ready, stop = asyncio.Event(), asyncio.Event()

    async def is_ready() -> None:
        ready.set()

    plan = [*await stack.plan(), Step("ready", is_ready)]
    running = asyncio.create_task(Supervisor(plan, notify=notify).run(stop))
    waiting = asyncio.create_task(ready.wait())
    try:
        done, _ = await asyncio.wait(
            (running, waiting), timeout=START_S, return_when=asyncio.FIRST_COMPLETED
        )
        if running in done:
            running.result()
        if not ready.is_set():
            raise TimeoutError(f"the stack was not ready within {START_S:g} s")
        yield
    finally:
        waiting.cancel()
        stop.set()
        await running
