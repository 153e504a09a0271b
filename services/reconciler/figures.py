"""
What reconciliation has found, as figures: a log line for each round, and a page for Prometheus.

No label holds a twin's name: the number of series is bounded by vendors and kinds of findings.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from services import logs
from services.failure import Failure
from services.vendors.reconciliation import Report, What

_US: Final = 1_000_000


class PortTaken(Failure):
    """Somebody else listens where the figures were to be."""


class Figures:
    """The figures of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._looks = Counter(
            "vito_reconcile_looks",
            "Twins looked at, at one vendor each",
            ["provider_id", "result"],
            registry=self.registry,
        )
        self._findings = Counter(
            "vito_reconcile_findings",
            "Sessions at a vendor that somebody should have ended or booked, by what was done",
            ["provider_id", "what"],
            registry=self.registry,
        )
        self._booked = Counter(
            "vito_reconcile_booked_nanos",
            "What was booked for them, in billionths of the currency",
            ["provider_id"],
            registry=self.registry,
        )
        self._rounds = Counter(
            "vito_reconcile_rounds", "Rounds", ["result"], registry=self.registry
        )
        self._hints = Counter(
            "vito_reconcile_hints", "Hints of webhooks", ["result"], registry=self.registry
        )
        self._round_s = Gauge(
            "vito_reconcile_round_seconds", "How long the last round took", registry=self.registry
        )
        self._ended_s = Gauge(
            "vito_reconcile_last_round_unixtime",
            "When the last round that could be made ended",
            registry=self.registry,
        )

    def serve(self, host: str, port: int) -> None:
        """Show them at http://*host*:*port*/metrics until the process ends. Raises PortTaken."""
        try:
            start_http_server(port, addr=host, registry=self.registry)
        except OSError as problem:
            raise PortTaken(
                f"The figures cannot be shown at {host}:{port}: {problem.strerror}.",
                "set VITO_RECONCILE_METRICS_PORT to a free port, or unset it.",
            ) from problem

    def hinted(self, *, is_taken: bool) -> None:
        """A hint was heard; not taken, when there are too many."""
        self._hints.labels("taken" if is_taken else "dropped").inc()

    def looked(self, reports: Iterable[Report]) -> None:
        """Some twins were looked at."""
        for report in reports:
            result = "failed" if report.refused else "done"
            self._looks.labels(report.provider_id, result).inc()
            for finding in report.findings:
                self._findings.labels(report.provider_id, finding.what).inc()
                self._booked.labels(report.provider_id).inc(finding.cost_nanos)

    def round_made(self, reports: list[Report], *, took_us: int, ended_us: int) -> None:
        """All were looked at."""
        self.looked(reports)
        self._rounds.labels("done").inc()
        self._round_s.set(took_us / _US)
        self._ended_s.set(ended_us / _US)
        found = Tally(one.what for report in reports for one in report.findings)
        logs.get().info(
            "reconciled",
            twins=len({report.tenant for report in reports}),
            sessions=sum(report.sessions for report in reports),
            failures=sum(bool(report.refused) for report in reports),
            booked_nanos=sum(one.cost_nanos for report in reports for one in report.findings),
            took_ms=took_us // 1_000,
            **{what: found[what] for what in get_args(What)},
        )

    def round_failed(self, reason: str) -> None:
        """It is not even known which twins there are."""
        self._rounds.labels("failed").inc()
        logs.get().error("round_failed", reason=reason)
