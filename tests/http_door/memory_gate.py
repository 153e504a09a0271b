"""A gate in memory: the real writer and the real rules, with a log that takes every commit."""

import asyncio
import json

import msgspec

from contracts.access import OPERATOR, ReportDenial
from contracts.data_key import RewrapDataKey, RotateDataKey
from contracts.questions import ANSWERS, LOOKUPS
from contracts.replies import Receipt
from domain import access, rights
from domain.state import Envelope, State
from domain.views import view
from projections.projection import Commit
from services.client.errors import CannotVerify
from services.gate.waiter import Waiter
from services.gate.writer import TenantWriter
from services.tenant_log.codec import GENESIS
from tests import examples
from tests.simulation.twins import provision

PRICE_NANOS = 1_000


class MemoryGate:
    """
    See services.http_door.gate_line.Gate.

    *heard* is what was asked: (tenant, noun or command, principal); *reported* are the denials of
    the door, with the log that each was written to. *fault* is raised instead of
    answering, after the command took effect: a reply that was lost.
    """

    def __init__(self, clock):
        self.clock = clock
        self.writers = {}
        self.heard = []
        self.reported = []
        self.commits = []
        self.hinted = []
        self.fault = None
        # Answers wait for *pause*; then *taken* says that one does.
        self.pause = None
        self.taken = asyncio.Event()

    async def command(self, tenant, command, principal):
        if isinstance(command, ReportDenial):
            return await self._report(tenant, command, principal)
        self.heard.append((tenant, command, principal))
        answers = []
        self.offer(tenant, command, Waiter([command], principal, answers.extend))
        if self.pause is not None:
            self.taken.set()
            await self.pause.wait()
        if self.fault is not None:
            raise self.fault
        return as_sent(answers[0])

    async def _report(self, tenant, command, principal):
        """What the door says behind the back of who asked; nobody waits for it."""
        assert principal == OPERATOR
        if self.fault is not None:
            raise self.fault
        self.reported.append((tenant, command))
        answers = []
        self.writer(tenant).offer(Waiter([command], principal, answers.extend))
        self.commit(tenant)
        return as_sent(answers[0])

    async def hint(self, hint):
        """See services.http_door.webhooks.Hints."""
        if self.fault is not None:
            raise self.fault
        self.hinted.append((hint.tenant, hint.provider_id))

    def offer(self, tenant, command, waiter):
        """Decide, and do what `KeyErrands` would, with a key store that always works."""
        writer = self.writer(tenant)
        envelope = Envelope(b"", self.clock(), waiter.actor)
        may = rights.why_not_asked(writer.state, command, envelope) is None
        if isinstance(command, RewrapDataKey) and may:
            waiter.respond([Receipt(200, "key_rewrapped", command.command_id, None, None)])
            return
        if isinstance(command, RotateDataKey) and may:
            writer.use_key(writer.key_version + 1, bytes(32))
        writer.offer(waiter)
        self.commit(tenant)
        while writer.farewells:
            waiter = writer.farewells.pop()
            waiter.respond(waiter.answers)

    async def show(self, tenant, noun, principal):
        self.heard.append((tenant, noun, principal))
        if self.fault is not None:
            raise self.fault
        answers = []
        self.writer(tenant).offer(Waiter([], principal, answers.extend, question=noun))
        self.commit(tenant)
        return as_sent(answers[0])

    async def ask(self, tenant, question, principal):
        self.heard.append((tenant, question, principal))
        if self.fault is not None:
            raise self.fault
        if type(question) in LOOKUPS:
            # Who keeps the knowledge answers these; what, is that one's tests' business.
            answer = next(one for one in examples.ANSWERS if type(one) is ANSWERS[type(question)])
            return as_sent(answer)
        answers = []
        self.writer(tenant).offer(Waiter([], principal, answers.extend, question=question))
        self.commit(tenant)
        return as_sent(answers[0])

    def provision(self, tenant, limit_nanos=5_000_000_000, name="Twin"):
        """Make a twin that is easy to reason about."""
        command = msgspec.structs.replace(provision(limit_nanos, PRICE_NANOS), display_name=name)
        self.writer(tenant).offer(Waiter([command], OPERATOR, lambda _answers: None))
        self.commit(tenant)

    def admit(self, tenant, *, members=None, keys=None):
        """Let the twin's own log know members by role and keys by scopes."""
        state = self.state(tenant).access
        for person, role in (members or {}).items():
            state.members[person] = access.Member(role)
        for key, scopes in (keys or {}).items():
            state.keys[key] = access.Key(list(scopes))

    def credits(self, tenant):
        """What is left of all credits."""
        found = view("budget", self.state(tenant), self.clock())
        return next(meter.remaining for meter in found.meters if meter.meter == "credits")

    def state(self, tenant):
        return self.writer(tenant).state

    def writer(self, tenant):
        if tenant not in self.writers:
            self.writers[tenant] = TenantWriter(
                State(name=tenant),
                GENESIS,
                0,
                key=bytes(32),
                key_version=1,
                actor="test",
                clock=self.clock,
            )
        return self.writers[tenant]

    def commit(self, tenant):
        writer = self.writer(tenant)
        while writer.has_work:
            append = writer.take()
            group = writer.stored(append.version)
            self.commits.append(
                Commit(0, len(self.commits) + 1, tenant, group.index, self.clock(), group.events)
            )


def as_sent(answer):
    """A reply as it comes out of the wire."""
    return json.loads(msgspec.json.encode(answer))


def unverified():
    return CannotVerify("cmd.x", "id", attempts=3, reason="no reply within 1 s")
