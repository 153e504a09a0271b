"""Asking a prover over the bus: what comes of it, and what is said when nothing does."""

import asyncio
from contextlib import asynccontextmanager

import msgspec
import nats
import pytest

from contracts.examples import EXAMPLES
from contracts.policy import SetPolicy
from contracts.policy_preview import PreviewPolicy
from services.audit.preview import NotFit
from services.embedded.nats_permissions import PROOFS
from services.embedded.polling import until
from services.failure import Failure
from services.http_door import gate_line
from services.http_door.gate_line import GateLine
from services.prover import process, questions
from services.prover.asking import ProverLine
from services.prover.process import Prover
from services.secret import Secret
from services.settings import NatsLogin
from tests.conftest import TEST_USER

WANTED = PreviewPolicy(policy=EXAMPLES[SetPolicy].policy)
# Nobody is told between the first time and the last.
NEVER_S = 3_600.0


class Findings:
    """Finds what a test says; *going* is set when somebody waits for it."""

    def __init__(self, found=None, fault=None, far=()):
        self.found, self.fault, self.far = found, fault, far
        self.going, self.may_end = asyncio.Event(), asyncio.Event()
        self.may_end.set()

    async def verify(self, _tenant, note):
        for one in self.far:
            note(*one)
        self.going.set()
        await self.may_end.wait()
        if self.fault is not None:
            raise self.fault
        return self.found

    async def preview(self, tenant, _wanted):
        return await self.verify(tenant, lambda *_far: None)


@pytest.fixture
async def bus(nats_url):
    connection = await nats.connect(nats_url)
    yield connection
    await connection.close()


@pytest.fixture
async def line(nats_server):
    user = next(one for one in nats_server.config.users if one.name == TEST_USER)
    login = NatsLogin((nats_server.url,), TEST_USER, Secret(user.password.reveal()), None)
    made = GateLine(login)
    yield made
    await made.close()


@asynccontextmanager
async def hearing(bus, findings):
    prover = Prover(bus, findings, NEVER_S)
    await prover.listen()
    try:
        yield prover
    finally:
        await prover.close()


async def test_the_outcome_comes_with_how_far_it_was(bus, line):
    """The last word on progress is told, however fast it was."""
    noted = []
    async with hearing(bus, Findings({"exit_code": 0}, far=[(3, 9), (9, 9)])):
        found = await ProverLine(line).verify("cantor", lambda *far: noted.append(far))

    assert found == {"exit_code": 0}
    assert noted[-1] == (9, 9)


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (Failure("cantor has no log.", "look."), Failure, "cantor has no log. Remedy: look."),
        (NotFit("policy.time_zone", "an IANA time zone"), NotFit, "must be an IANA time zone"),
        (TimeoutError(), Failure, "It took longer than it may"),
        (ValueError("a secret"), Failure, "^A fault in the prover"),
    ],
)
async def test_why_there_is_no_result_is_told(bus, line, fault, kind, said):
    """In words for who asked; what it was exactly is in the prover's log."""
    async with hearing(bus, Findings(fault=fault)):
        with pytest.raises(kind, match=said):
            await ProverLine(line).preview("cantor", WANTED)


async def test_a_question_ends_when_its_time_is_over(bus, line, monkeypatch):
    """Whoever waited has gone by then."""
    monkeypatch.setattr(process, "PREVIEW_S_MAX", 0.01)
    findings = Findings()
    findings.may_end.clear()
    async with hearing(bus, findings):
        with pytest.raises(Failure, match="It took longer than it may"):
            await ProverLine(line).preview("cantor", WANTED)


async def test_so_many_at_once_and_the_next_is_told(bus, line):
    """Each takes a process with a log in it."""
    findings = Findings({"exit_code": 0})
    findings.may_end.clear()
    prover = ProverLine(line)
    async with hearing(bus, findings) as answering:
        asked = [
            asyncio.create_task(prover.verify("cantor", lambda *_far: None))
            for _ in range(process.RUNNING_MAX)
        ]

        async def are_running():
            return len(answering._running) == process.RUNNING_MAX

        await until(are_running, every_s=0.01, timeout_s=10)
        with pytest.raises(Failure, match="busy with others"):
            await prover.verify("cantor", lambda *_far: None)
        findings.may_end.set()

        assert await asyncio.gather(*asked) == [{"exit_code": 0}] * process.RUNNING_MAX


async def test_one_that_is_stopped_says_so(bus, line):
    """Nobody waits for a process that is not there any more."""
    findings = Findings()
    findings.may_end.clear()
    async with hearing(bus, findings) as answering:
        asked = asyncio.create_task(ProverLine(line).verify("cantor", lambda *_far: None))
        await findings.going.wait()
        await answering.close()
        with pytest.raises(Failure, match="The prover was stopped"):
            await asked


async def test_where_nobody_proves_it_is_said_at_once(line):
    """The server of the bus knows that nobody listens."""
    with pytest.raises(Failure, match=r"Nobody proves logs here.*start `vito prover`"):
        await ProverLine(line).verify("cantor", lambda *_far: None)


async def test_one_that_falls_silent_is_not_waited_for(bus, line, monkeypatch):
    """It was killed, or cut off from the bus."""
    monkeypatch.setattr(gate_line, "SILENT_S_MAX", 0.05)
    findings = Findings()
    findings.may_end.clear()
    async with hearing(bus, findings):
        with pytest.raises(Failure, match="fallen silent"):
            await ProverLine(line).verify("cantor", lambda *_far: None)


@pytest.mark.parametrize("told", [b"", b"{}", b'{"type":"previewed"}', b'{"type":"odd"}'])
async def test_what_is_no_answer_is_none(bus, line, told):
    """Another version of us, or somebody else."""

    async def answer(message):
        await message.respond(told)

    await bus.subscribe(PROOFS, cb=answer)
    await bus.flush()
    with pytest.raises(Failure, match="run the same version everywhere"):
        await ProverLine(line).verify("cantor", lambda *_far: None)


@pytest.mark.parametrize(
    "question",
    [b"", b"{}", b'{"type":"verify"}', b'{"type":"verify","tenant":"--help"}', b"\xff"],
)
async def test_what_is_no_question_is_told_so(bus, question):
    """A name that no twin can have would be an option of the command."""
    findings = Findings({"exit_code": 0})
    async with hearing(bus, findings):
        answer = await bus.request(PROOFS, question, timeout=5)

    told = msgspec.json.decode(answer.data, type=questions.Told)
    assert isinstance(told, questions.NotMade)
    assert "cannot be read" in told.message
    assert not findings.going.is_set()


async def test_a_result_that_the_bus_would_not_take_is_said_to_be_too_large(bus, line):
    """Or it would be the silence of a prover."""
    async with hearing(bus, Findings({"findings": "x" * questions.BYTES_MAX})):
        with pytest.raises(Failure, match="too large for the bus"):
            await ProverLine(line).verify("cantor", lambda *_far: None)
