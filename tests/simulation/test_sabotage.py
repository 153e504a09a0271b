"""
Negative controls: with one promise taken out of the real code, the simulation must fail.

A simulation that passes whatever the code does shows nothing. Each sabotage is tried on a few
seeds; the first failure ends it, and it must be a failure of the promise that was broken.
"""

from __future__ import annotations

from domain import budget as domain_budget
from domain import gate as domain_gate
from services.gate.shard import ShardGate
from services.gate.timers import Timers
from services.gate.writer import TenantWriter
from services.tenant_log.codec import BrokenLog
from tests.simulation.memory_log import MemoryLog
from tests.simulation.scenario import play

SEEDS_TRIED = 12


class Unfenced(MemoryLog):
    """A log that stores whatever comes, as a stream without expected sequences does."""

    def is_stale(self, commit):
        return False


def failure(**how) -> str:
    """Return how the first seed that fails does so."""
    for seed in range(SEEDS_TRIED):
        try:
            play(seed, **how)
        except AssertionError as broken:
            return str(broken)
        except BrokenLog as broken:
            return f"broken log: {broken.what}"
    return ""


def test_without_the_fence_two_workers_break_the_chain():
    """The lease alone does not keep a second worker from writing."""
    found = failure(log=Unfenced)
    assert found.startswith(("broken log", "one command, two answers", "acknowledged, not in"))


def test_without_idempotency_a_repeated_command_is_decided_twice(monkeypatch):
    """A lost answer is asked for again, so a gate that forgets ids doubles it."""
    monkeypatch.setattr(domain_gate, "known", lambda *_: None)
    assert failure() in ("a command was decided twice", "one command, two answers")


def test_answers_before_the_acknowledgement_are_lost(monkeypatch):
    """What is said before it is durable may never have happened."""

    def at_once(_writer, waiter, _index):
        waiter.respond(waiter.answers)

    monkeypatch.setattr(TenantWriter, "_answer_when_durable", at_once)
    assert failure() in ("acknowledged, not in the log", "one command, two answers")


def test_without_the_limit_it_is_oversold(monkeypatch):
    """The clients of the scenario ask for more than there is."""
    monkeypatch.setattr(domain_budget, "on_credit_nanos", lambda *_: 0)
    assert failure() == "oversold"


def test_without_timers_a_hold_outlives_its_time(monkeypatch):
    """Nobody asks at the end of a scenario: expiry must come by itself."""
    monkeypatch.setattr(Timers, "arm", lambda *_: None)
    assert failure() == "a hold outlived its time"


def test_without_loading_ahead_a_hold_outlives_its_time(monkeypatch):
    """The last worker of a scenario starts after all the others are gone."""

    async def nothing(_shard, _known_tenants):
        return

    monkeypatch.setattr(ShardGate, "_keep_warm", nothing)
    assert failure() == "a hold outlived its time"


def test_a_commit_that_is_given_up_must_be_undone(monkeypatch):
    """Going on with a state that the log does not have ends in answers that it does not have."""
    lost = TenantWriter.lost

    def still_here(writer, **how):
        waiters = lost(writer, **how)
        writer.is_lost = False
        return waiters

    monkeypatch.setattr(TenantWriter, "lost", still_here)
    monkeypatch.setattr(ShardGate, "_forget", lambda *_: None)
    assert failure() != ""
