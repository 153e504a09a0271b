"""One simulated shard: a log, keys, workers that come and go, clients that never give up."""

from __future__ import annotations

import asyncio
import random

from contracts.budget import CallAuthorized, CallSettled
from domain import gate as domain_gate
from domain.state import State
from services.gate.loader import TenantLoader
from services.gate.shard import ShardGate
from services.gate.writer import Waiter
from services.sealing.box import seal
from services.sealing.keyring import Keyring
from services.sealing.tenant_keys import TenantKeys
from services.tenant_log.replay import commits
from services.tenant_log.snapshots import PURPOSE
from tests.simulation.memory_log import Faults, FlakyKeyStore, MemoryLog

START_US = 1_790_000_000_000_000
PRICE_NANOS = 10
LIMIT_NANOS = 400
ANSWERED_WITHIN_S = 0.5
# Faults strike for a while and pass; who is not answered by then never will be.
PATIENCE_S = 60.0


class Snapshots:
    """Snapshots in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[bytes, int]] = {}

    async def find(self, tenant):
        return self.kept.get(tenant)

    async def put(self, tenant, snapshot, key, version):
        context = (tenant.encode(), str(version).encode())
        self.kept[tenant] = (seal(key, PURPOSE, context, snapshot), version)

    async def drop(self, tenant):
        self.kept.pop(tenant, None)


class World:
    """One log, one set of keys, and workers that all believe they own the shard."""

    def __init__(
        self, seed: int, faults: Faults | None = None, *, log: type[MemoryLog] = MemoryLog
    ) -> None:
        self.rng = random.Random(seed)
        self.loop = asyncio.get_running_loop()
        self.faults = faults or Faults()
        self.log = log(self.rng, self.faults)
        keyring = Keyring("simulation", 1, {1: bytes(32)})
        store = FlakyKeyStore(self.rng, self.faults)
        # Almost no cache, so that the store is asked, and fails, often.
        self.keys = TenantKeys(store, keyring, monotonic_s=self.loop.time, cache_age_s=0.2)
        self.snapshots = Snapshots()
        self.workers: list[ShardGate] = []
        self.idle: set[ShardGate] = set()
        self.acknowledged: dict[str, tuple] = {}
        self.steps_back = 0.0
        self._started = 0

    def clock(self) -> int:
        """A wall clock that now and then steps back by up to two seconds."""
        step_back = 2_000_000 if self.rng.random() < self.steps_back else 0
        return START_US + int(self.loop.time() * 1_000_000) - step_back

    def start_worker(self, **more) -> ShardGate:
        """Start a worker; it serves unless it is among `idle`."""
        self._started += 1
        name = f"worker-{self._started}"
        loader = TenantLoader(self.log, self.keys, self.snapshots, actor=name, clock=self.clock)
        shard = ShardGate(
            0,
            self.log,
            loader,
            shards=1,
            clock=self.clock,
            is_owner=lambda: shard not in self.idle,
            **more,
        )
        shard.start(self.tenants)
        self.workers.append(shard)
        return shard

    def kill_worker(self, victim: ShardGate) -> None:
        """End a worker without a word, as kill -9 does."""
        if victim in self.workers:
            self.workers.remove(victim)
        for task in [*victim._tasks, *victim._committer._plain]:
            task.cancel()
        victim._timers.close()

    async def tenants(self) -> list[str]:
        return sorted({recorded.originator_id for recorded in self.log.stored})

    def send(self, worker: ShardGate, tenant: str, *asked) -> asyncio.Future:
        """Send commands as one message to one worker; the future gets the list of answers."""
        answered = self.loop.create_future()

        def respond(answers):
            if not answered.done():
                answered.set_result(list(answers))

        worker.receive(tenant, Waiter(list(asked), "operator", respond))
        return answered

    async def ask(self, tenant: str, command):
        """Ask any worker, again and again with the same id, until there is a true answer."""
        until_s = self.loop.time() + PATIENCE_S
        while self.loop.time() < until_s:
            answer = await self._ask_once(tenant, command)
            if answer is not None and answer.code not in ("cannot_verify", "overloaded"):
                self.remember(tenant, answer)
                return answer
            await asyncio.sleep(self.rng.random() * 0.05)
        await check(self, tenant)
        raise AssertionError("never answered")

    async def _ask_once(self, tenant: str, command):
        if not self.workers:
            await asyncio.sleep(ANSWERED_WITHIN_S)
            return None
        answered = self.send(self.rng.choice(self.workers), tenant, command)
        try:
            (answer,) = await asyncio.wait_for(answered, ANSWERED_WITHIN_S)
        except TimeoutError:
            return None
        return answer

    def remember(self, tenant, answer) -> None:
        """Two answers to one command must be the same answer."""
        if answer.decision_id is None:
            return
        seen = (answer.decision_id, answer.position, answer.code, answer.status)
        key = f"{tenant}/{answer.command_id}"
        assert self.acknowledged.setdefault(key, seen) == seen, "one command, two answers"


async def check(world: World, tenant: str) -> State:
    """Every invariant, at every event of the log; every acknowledged decision, once."""
    state = State(tenant)
    decisions: dict[int, tuple[str, int]] = {}
    async for commit in commits(tenant, world.log, world.keys):
        state.position = commit.line.index
        for event in commit.events:
            domain_gate.evolve(state, event)
            command_id = getattr(event, "command_id", None)
            if command_id is not None and event.decision not in decisions:
                decisions[event.decision] = (command_id, commit.line.index)
            check_event(state, event)
    ids = [command_id for command_id, _ in decisions.values()]
    assert len(ids) == len(set(ids)), "a command was decided twice"
    for key, (decision_id, position, *_rest) in world.acknowledged.items():
        owner, _, command_id = key.partition("/")
        if owner == tenant:
            number = int(decision_id.rpartition(".")[2])
            assert decisions.get(number) == (command_id, position), "acknowledged, not in the log"
    return state


def check_event(state: State, event) -> None:
    """What must hold just after an event."""
    if isinstance(event, CallAuthorized):
        totals = state.budget.periods[state.budget.period]
        spent = totals.committed_nanos - totals.overrun_nanos
        assert spent + totals.held_nanos <= LIMIT_NANOS, "oversold"
        money = state.budget
        used = money.credits_spent_nanos + money.credits_held_nanos
        assert used <= money.credits_added_nanos, "credits oversold"
    if isinstance(event, CallSettled):
        assert event.cost_nanos == PRICE_NANOS * event.usage.requests, "booked wrongly"
