"""The supervisor, with children of a few lines instead of servers."""

import asyncio
import os
import signal
import sys
import time

import psutil
import pytest

from services.embedded.child import StartFailed
from services.embedded.polling import until
from services.supervisor.backoff import Backoff
from services.supervisor.service import Service, ServiceSpec
from services.supervisor.supervisor import Died, Ready, Starting, Step, Stopped, Supervisor

READY = "import os,signal,sys,time\nos.write(int(os.environ['VITO_READY_FD']), b'ready\\n')\n"
RUN = READY + "time.sleep(600)\n"
POLITE = "import signal,sys\nsignal.signal(15, lambda *_: sys.exit(0))\n" + RUN
STUBBORN = "import signal\nsignal.signal(15, signal.SIG_IGN)\n" + RUN


class Stage:
    """Makes dummies, runs a supervisor over them, and keeps what it says."""

    def __init__(self, directory) -> None:
        self.directory = directory
        self.events = []
        self.changed = asyncio.Event()
        self.stop = asyncio.Event()
        self.env = dict(os.environ)

    def dummy(self, name: str, code: str, timeout_s: float = 10.0) -> Service:
        spec = ServiceSpec(name, (sys.executable, "-c", code), timeout_s)
        log = self.directory / f"{name}.log"
        return Service(spec, log=log, environment=lambda: self.env)

    def note(self, event) -> None:
        self.events.append(event)
        self.changed.set()

    async def until(self, condition) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def start(self, *plan, **options) -> asyncio.Task:
        options.setdefault("backoff", lambda: Backoff(first_s=0.01, max_s=0.02))
        supervisor = Supervisor(plan, notify=self.note, **options)
        return asyncio.create_task(supervisor.run(self.stop))

    def ready(self, name: str) -> int:
        return sum(isinstance(event, Ready) and event.name == name for event in self.events)


@pytest.fixture
def stage(directory):
    return Stage(directory)


async def test_each_waits_for_the_one_before(stage):
    """A worker that starts before its bus only produces errors."""
    a, b = stage.dummy("a", POLITE), stage.dummy("b", POLITE)

    async def action() -> str:
        assert a.pid is not None
        assert b.pid is None
        return "done"

    running = stage.start(a, Step("step", action), b)
    await stage.until(lambda: stage.ready("b"))
    stage.stop.set()
    await running

    assert [(type(event), event.name) for event in stage.events] == [
        (Starting, "a"),
        (Ready, "a"),
        (Starting, "step"),
        (Ready, "step"),
        (Starting, "b"),
        (Ready, "b"),
        (Stopped, "b"),
        (Stopped, "a"),
    ]
    assert stage.events[3].said == "done"
    assert (a.pid, b.pid) == (None, None)


async def test_who_dies_is_restarted(stage):
    """kill -9, the everyday crash."""
    dummy = stage.dummy("a", POLITE)
    running = stage.start(dummy)
    await stage.until(lambda: stage.ready("a") == 1)
    first = dummy.pid

    os.kill(first, signal.SIGKILL)
    await stage.until(lambda: stage.ready("a") == 2)

    died = [event for event in stage.events if isinstance(event, Died)]
    assert [event.reason for event in died] == ["ended by signal 9"]
    assert stage.events[-1].restarted
    assert dummy.pid not in (None, first)
    stage.stop.set()
    await running


async def test_who_keeps_dying_is_restarted_ever_later(stage):
    """A start in a tight loop would take the machine down with it."""
    dummy = stage.dummy("a", READY + "sys.exit(3)")
    running = stage.start(dummy, backoff=lambda: Backoff(first_s=0.01, max_s=0.04))

    def deaths() -> list[Died]:
        return [event for event in stage.events if isinstance(event, Died)]

    await stage.until(lambda: len(deaths()) == 5)
    stage.stop.set()
    await running

    assert [event.delay_s for event in deaths()] == [0.01, 0.02, 0.04, 0.04, 0.04]
    assert {event.reason for event in deaths()} == {"ended with code 3"}


async def test_a_restart_that_fails_is_repeated(stage):
    """The second start may fail where the first did not: a full disk, a missing server."""
    flag = stage.directory / "broken"
    code = f"import os,sys\nif os.path.exists({str(flag)!r}): sys.exit('no disk')\n" + RUN
    dummy = stage.dummy("a", code)
    running = stage.start(dummy)
    await stage.until(lambda: stage.ready("a") == 1)

    flag.touch()
    os.kill(dummy.pid, signal.SIGKILL)
    await stage.until(lambda: any("no disk" in getattr(e, "reason", "") for e in stage.events))
    flag.unlink()
    await stage.until(lambda: stage.ready("a") == 2)

    stage.stop.set()
    await running


async def test_the_others_go_on_meanwhile(stage):
    """One broken service is not a reason to stop serving."""
    broken = stage.dummy("broken", READY + "sys.exit(1)")
    fine = stage.dummy("fine", POLITE)
    running = stage.start(broken, fine)
    await stage.until(lambda: stage.ready("fine") and stage.ready("broken") >= 3)

    assert (stage.ready("fine"), fine.pid is not None) == (1, True)
    stage.stop.set()
    await running


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys; sys.exit('cannot bind')", "ended before it was ready"),
        ("import os; os.write(int(os.environ['VITO_READY_FD']), b'nope!\\n')", "before it was"),
        ("print('waiting for the bus', flush=True); import time; time.sleep(600)", "not ready"),
    ],
)
async def test_a_failed_first_start_shows_the_log_and_stops_the_rest(stage, code, words):
    """Whoever typed `vito up` must see why, and not be left with half a system."""
    fine = stage.dummy("fine", POLITE)
    broken = stage.dummy("broken", code, timeout_s=0.7)

    with pytest.raises(StartFailed, match=words) as caught:
        await stage.start(fine, broken)

    log = (stage.directory / "broken.log").read_text().strip()
    assert log in str(caught.value)
    assert (fine.pid, broken.pid) == (None, None)


async def test_a_failed_step_stops_the_rest(stage):
    """A migration that failed must not be followed by services."""
    fine, never = stage.dummy("fine", POLITE), stage.dummy("never", POLITE)

    async def action() -> str:
        raise ValueError("wrong version")

    with pytest.raises(ValueError, match="wrong version"):
        await stage.start(fine, Step("migrate", action), never)

    assert fine.pid is None
    assert not (stage.directory / "never.log").exists()


async def test_an_unknown_program_is_a_failed_start(stage):
    """The message must name it."""
    spec = ServiceSpec("a", ("/no/such/program",))
    service = Service(spec, log=stage.directory / "a.log", environment=dict)

    with pytest.raises(StartFailed, match="/no/such/program"):
        await stage.start(service)


async def test_it_can_be_stopped_while_it_starts(stage):
    """Ctrl-C during a slow start must not wait for it."""
    slow = stage.dummy("slow", "print('up', flush=True); import time; time.sleep(600)")
    running = stage.start(slow)
    await until_written(slow, "up")

    stage.stop.set()
    await running

    assert slow.pid is None


async def test_it_can_be_stopped_while_it_waits_to_restart(stage):
    """A long back-off must not delay the stop."""
    dummy = stage.dummy("a", READY + "sys.exit(1)")
    running = stage.start(dummy, backoff=lambda: Backoff(first_s=600, max_s=600))
    await stage.until(lambda: any(isinstance(event, Died) for event in stage.events))

    stage.stop.set()
    await asyncio.wait_for(running, 5)


async def test_the_stop_has_a_deadline(stage):
    """Five seconds in all, however many refuse to go; the polite ones still get to finish."""
    units = [stage.dummy("polite", POLITE)]
    units += [stage.dummy(f"stubborn{number}", STUBBORN) for number in range(3)]
    running = stage.start(*units)
    await stage.until(lambda: stage.ready("stubborn2"))
    began = time.monotonic()

    stage.stop.set()
    await running

    assert time.monotonic() - began < 5.0
    assert [unit.pid for unit in units] == [None] * 4
    names = [event.name for event in stage.events if isinstance(event, Stopped)]
    assert names == ["stubborn2", "stubborn1", "stubborn0", "polite"]


async def test_services_hear_the_addresses_of_now(stage):
    """A server may come back on another port."""
    code = "import os\nprint(os.environ['ADDRESS'], flush=True)\n" + RUN
    stage.env["ADDRESS"] = "one"
    dummy = stage.dummy("a", code)
    running = stage.start(dummy)
    await stage.until(lambda: stage.ready("a") == 1)

    stage.env["ADDRESS"] = "two"
    os.kill(dummy.pid, signal.SIGKILL)
    await stage.until(lambda: stage.ready("a") == 2)

    assert (stage.directory / "a.log").read_text().split() == ["one", "two"]
    stage.stop.set()
    await running


async def test_no_orphan_after_kill_9(directory):
    """The one end that no handler of ours can see."""
    script = f"""
import asyncio, sys
from pathlib import Path
from services.supervisor.service import Service, ServiceSpec
from services.supervisor.supervisor import Supervisor
def dummy(name):
    spec = ServiceSpec(name, (sys.executable, "-c", {STUBBORN!r}))
    return Service(spec, log=Path({str(directory)!r}) / name, environment=lambda: dict())
units = [dummy("a"), dummy("b")]
def note(event):
    if type(event).__name__ == "Ready" and event.name == "b":
        print(*(unit.pid for unit in units), flush=True)
asyncio.run(Supervisor(units, notify=note).run(asyncio.Event()))
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    pids = [int(word) for word in (await process.stdout.readline()).split()]
    assert len(pids) == 2
    assert all(psutil.pid_exists(pid) for pid in pids)

    process.kill()
    await process.wait()

    async def gone() -> bool:
        return not any(is_alive(pid) for pid in pids)

    await until(gone, every_s=0.01, timeout_s=10)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def until_written(service, text: str) -> None:
    async def written() -> bool:
        return service.log.exists() and text in service.log.read_text()

    await until(written, every_s=0.01, timeout_s=10)
