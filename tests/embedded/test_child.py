"""Children: reaped, stopped within a deadline, and never orphans."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import uvloop

from services.embedded.child import Child, Command, log_tail
from services.embedded.polling import until

STUBBORN = "import signal,time; signal.signal(15, signal.SIG_IGN); print('up', flush=True)\n"
STUBBORN += "time.sleep(600)"


def python(name: str, code: str, directory, **options) -> Command:
    return Command(name, (sys.executable, "-c", code), directory / f"{name}.log", **options)


async def has_written(path, text: str) -> None:
    async def written() -> bool:
        return text in log_tail(path)

    await until(written, every_s=0.01, timeout_s=10)


async def test_its_code_and_output_are_kept(directory):
    """They are all there is to find out why it ended."""
    child = Child.spawn(python("a", "print('hello'); raise SystemExit(7)", directory))

    assert await child.wait() == 7
    assert (child.returncode, child.running) == (7, False)
    assert child.log_tail() == "hello"
    assert await child.wait() == 7


def test_waiting_works_on_uvloop(directory):
    """The services run on it, and tests that supervise them may too."""

    async def scenario() -> int:
        child = Child.spawn(python("a", "import time; time.sleep(0.05)", directory))
        return await child.wait()

    assert uvloop.run(scenario()) == 0


async def test_a_polite_child_is_asked(directory):
    """SIGTERM lets it finish what it has begun."""
    code = "import signal,sys\nsignal.signal(15, lambda *_: sys.exit(3))\n"
    child = Child.spawn(python("a", code + "print('up', flush=True); signal.pause()", directory))
    await has_written(child.command.log, "up")

    assert await child.stop(timeout_s=10) == 3


async def test_a_stubborn_child_is_killed_at_the_deadline(directory):
    """A stop that waits for ever is no stop."""
    child = Child.spawn(python("a", STUBBORN, directory))
    await has_written(child.command.log, "up")
    began = time.monotonic()

    assert await child.stop(timeout_s=0.2) == -signal.SIGKILL
    assert time.monotonic() - began < 5
    assert not psutil.pid_exists(child.pid)


async def test_killing_takes_its_children_along(directory):
    """A worker that started helpers must not leave them behind."""
    code = "import subprocess,sys,time\np = subprocess.Popen(['sleep', '600'])\n"
    child = Child.spawn(python("a", code + "print(p.pid, flush=True); time.sleep(600)", directory))
    await has_number(child)
    grandchild = psutil.Process(int(child.log_tail()))

    child.kill()

    await until(lambda: is_gone(grandchild.pid), every_s=0.01, timeout_s=10)


async def has_number(child) -> None:
    async def written() -> bool:
        return child.log_tail().strip().isdigit()

    await until(written, every_s=0.01, timeout_s=10)


async def is_gone(pid: int) -> bool:
    """An orphan is gone once it is dead; who reaps it is not up to us."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_it_has_its_own_session(directory):
    """Ctrl-C in the terminal must reach the supervisor only, which knows the order."""
    child = Child.spawn(python("a", "import time; time.sleep(600)", directory))

    assert os.getsid(child.pid) == child.pid != os.getsid(0)
    child.kill()


async def test_an_unknown_program_is_an_error(directory):
    """It must not pass for a child that ended quickly."""
    with pytest.raises(FileNotFoundError):
        Child.spawn(Command("a", ("/no/such/program",), directory / "a.log"))


@pytest.mark.parametrize("user", [None, "nobody"])
async def test_it_dies_with_its_parent(directory, user):
    """kill -9 gives the parent no chance to clean up; changing the user must not undo it."""
    if os.geteuid() != 0:
        user = None
    directory.chmod(0o711)
    parent = f"""
import sys, time
from pathlib import Path
from services.embedded.child import Child, Command
child = Child.spawn(Command("sleep", ("/bin/sleep", "600"), Path({str(directory / "s.log")!r}),
                            user={user!r}))
print(child.pid, flush=True)
time.sleep(600)
"""
    argv = [sys.executable, "-c", parent]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:  # noqa: ASYNC220 - its parent
        pid = int(process.stdout.readline())
        assert psutil.Process(pid).name() == "sleep"
        if user is not None:
            assert psutil.Process(pid).username() == user
        process.kill()

    await until(lambda: is_gone(pid), every_s=0.01, timeout_s=10)


def test_the_tail_of_a_log_is_short(directory):
    """It goes into an error message."""
    (directory / "a.log").write_text("\n".join(str(number) for number in range(100)))

    assert log_tail(directory / "a.log", 3) == "97\n98\n99"
    assert log_tail(directory / "none.log") == ""
