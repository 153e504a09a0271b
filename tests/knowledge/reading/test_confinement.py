"""What a reading process may not do any more: tried in processes that are confined as it is."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from services.knowledge.fetched import Fetched
from services.knowledge.problem import IngestionProblem
from services.knowledge.reading import reader
from services.knowledge.reading.limits import Limits

FETCHED = Fetched(body=b"hola", media_type="text/plain")
ROOT = Path(__file__).parents[3]
BEGIN = """
import ctypes, os, socket, subprocess, sys
from services.knowledge.reading.confinement import ConfinedError, confine
from services.knowledge.reading.limits import Limits
libc = ctypes.CDLL(None, use_errno=True)
holds = confine(Limits(cpu_s=1))
"""


def tried(code, *, begin=BEGIN):
    """What a process says that is confined, and does this."""
    return subprocess.run(
        [sys.executable, "-P", "-s", "-c", begin + code],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


FORBIDDEN = {
    "network": "socket.socket()",
    "names": "socket.getaddrinfo('localhost', 80)",
    "program": "subprocess.run(['true'])",
    "shell": "os.system('true')",
    "fork": "os.fork()",
    "exec": "os.execv('/bin/true', ['true'])",
    "signal": "os.kill(os.getppid(), 0)",
    "secrets": "open('/etc/passwd')",
    "environment of others": "open('/proc/1/environ')",
    "by a way around": "open(os.path.dirname(os.__file__) + '/../../../../etc/passwd')",
    "write": "open('/tmp/harm', 'w')",
    "write of a module": f"open({str(ROOT / 'services' / 'harm.py')!r}, 'w')",
    "descriptor": "os.open('/tmp/harm', os.O_CREAT | os.O_WRONLY)",
    "remove": "os.remove('/tmp/harm')",
    "native code": "ctypes.CDLL('libc.so.6')",
}


def test_python_may_do_nothing_but_compute():
    """All in one process: none of it may end the next from being tried."""
    code = "".join(
        f"\ntry:\n    {action}\n    print({name!r}, 'was done')\n"
        f"except ConfinedError:\n    print({name!r}, 'refused')\n"
        for name, action in FORBIDDEN.items()
    )
    done = tried(code)

    assert done.stdout.splitlines() == [f"{name} refused" for name in FORBIDDEN]


def test_the_kernel_refuses_native_code_as_well():
    """The hook sees nothing of C; it is not installed here, or it would refuse ctypes."""
    code = """
import services.knowledge.reading.confinement as confinement
print(confinement._refuse_system_calls())
for name, arguments in (("socket", (2, 1, 0)), ("fork", ()), ("execve", (b"/bin/true", 0, 0)),
                        ("unlink", (b"/tmp/harm",)), ("kill", (os.getppid(), 0)),
                        ("rename", (b"/tmp/a", b"/tmp/b")), ("ptrace", (16, 1, 0, 0))):
    print(name, getattr(libc, name)(*arguments), ctypes.get_errno())
print(len(open("/proc/self/status").read()) > 100)
"""
    done = tried(code, begin=BEGIN.replace("holds = confine(Limits(cpu_s=1))\n", ""))
    said = done.stdout.splitlines()

    # Only Linux on these two has it; there it must be.
    assert said[0] == str(sys.platform == "linux" and os.uname().machine in {"x86_64", "aarch64"})
    assert said[1:-1] == [
        f"{name} -1 1"
        for name in ["socket", "fork", "execve", "unlink", "kill", "rename", "ptrace"]
    ]
    assert said[-1] == "True"


def test_time_and_files_have_an_end():
    """A loop is ended by the kernel, with the signal that says why."""
    assert tried("while True: pass").returncode in {-24, -9}
    assert "27" in tried("print(os.write(1, b'27'), flush=True)").stdout


INHERITS = """
import os, sys
from services.knowledge.reading import answer
from services.knowledge.reading.answer import Refused
sys.stdin.buffer.read()
found = f"{sorted(os.environ)} {sorted(os.listdir('/proc/self/fd'), key=int)} {os.getcwd()}"
sys.stdout.buffer.write(answer.encode(Refused("damaged", found)))
"""


async def test_nothing_is_inherited(monkeypatch):
    """A secret that is not there cannot be told, and a connection that is not open not be used."""
    monkeypatch.setenv("VITO_KEK", "secret")
    monkeypatch.setattr(reader, "_COMMAND", (sys.executable, "-P", "-s", "-c", INHERITS))
    ours = os.dup(1)
    os.set_inheritable(ours, True)

    with pytest.raises(IngestionProblem) as raised:
        await reader.read(FETCHED, Limits())

    os.close(ours)
    variables, descriptors, folder = re.fullmatch(r"(.*]) (.*]) (.*)", raised.value.what).groups()
    # LC_CTYPE is of Python itself; the fourth descriptor is that of the list of descriptors.
    assert set(ast.literal_eval(variables)) - {"LC_CTYPE"} == {
        "PYTHONHASHSEED",
        "PYTHONPATH",
        "PYTHONUTF8",
    }
    assert len(ast.literal_eval(descriptors)) == 4
    assert folder == "/"


LEAVES = """
import subprocess, sys
sys.stdin.buffer.read()
left = subprocess.Popen(["sleep", "600"], stdin=-3, stdout=-3, stderr=-3)
print(left.pid, flush=True)
"""


async def test_what_it_leaves_behind_is_ended(monkeypatch):
    """Without confinement here: were it ever broken out of, nothing would stay."""
    said = []
    monkeypatch.setattr(reader, "_COMMAND", (sys.executable, "-c", LEAVES))
    monkeypatch.setattr(reader, "_answer_of", lambda answered, *_: said.append(answered))

    with pytest.raises(AttributeError):
        await reader.read(FETCHED, Limits())

    (left,) = said
    try:
        psutil.Process(int(left)).wait(timeout=10)
    except psutil.NoSuchProcess:
        return
    except psutil.TimeoutExpired:
        # Ended, and not yet collected by whoever inherited it.
        assert psutil.Process(int(left)).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("said", ["b''", "b'hola'", "bytes(range(256)) * 9"])
async def test_nothing_but_a_proper_answer_is_believed(monkeypatch, said):
    """It may be taken over, and say anything."""
    code = f"import sys; sys.stdin.buffer.read(); sys.stdout.buffer.write({said})"
    monkeypatch.setattr(reader, "_COMMAND", (sys.executable, "-c", code))

    with pytest.raises(IngestionProblem, match="damaged"):
        await reader.read(FETCHED, Limits())


async def test_whoever_never_stops_talking_is_ended(monkeypatch):
    """By size, long before by time."""
    code = "import sys\nwhile True: sys.stdout.buffer.write(bytes(1 << 16))"
    monkeypatch.setattr(reader, "_COMMAND", (sys.executable, "-c", code))

    with pytest.raises(IngestionProblem, match="too_large"):
        await reader.read(FETCHED, Limits(answer_bytes_max=1 << 20))
