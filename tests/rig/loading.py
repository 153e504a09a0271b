"""Starting load in other processes and collecting what they were told."""

from __future__ import annotations

import asyncio
import json
import sys

from tests.rig.deployment import ROOT, Deployment


class Load:
    """Several processes of `tests.rig.load` that begin together."""

    def __init__(self, processes: list[asyncio.subprocess.Process]) -> None:
        self._processes = processes

    @classmethod
    async def prepare(cls, deployment: Deployment, *, processes: int = 1, **job) -> Load:
        """
        Start the processes and connect them; nothing is asked before `begin`.

        A job's *seconds* may be None: then it goes on until `finish`.
        """
        login = deployment.settings.nats("client")
        defaults = {
            "urls": list(login.urls),
            "password": login.password.reveal(),
            "seconds": 5.0,
            "clients": 8,
            "calls_max": 1_000_000,
            "ttl_ms": 60_000,
            "settle": True,
            "pause_s": 0.02,
            "think_s": 0.0,
            "deadline_s": 30.0,
            "attempt_s": 1.0,
        }
        started = []
        for number in range(processes):
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.rig.load",
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=1 << 24,
            )
            described = {**defaults, **job, "name": f"{job.get('name', 'load')}{number}"}
            process.stdin.write(json.dumps(described).encode() + b"\n")
            await process.stdin.drain()
            started.append(process)
        for process in started:
            assert await process.stdout.readline() == b"connected\n"
        return cls(started)

    async def begin(self) -> None:
        """Let all of them loose at once."""
        for process in self._processes:
            process.stdin.write(b"\n")
            await process.stdin.drain()

    def finish(self) -> None:
        """Let them end after the call that each is about."""
        for process in self._processes:
            process.stdin.close()

    async def answers(self) -> list[dict]:
        """Wait for the end and return every line, of all processes."""
        outputs = await asyncio.gather(*(p.stdout.read() for p in self._processes))
        for process in self._processes:
            assert await process.wait() == 0
            process.stdin.close()
        return [json.loads(line) for output in outputs for line in output.splitlines()]
