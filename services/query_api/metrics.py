"""
Figures for Prometheus.

No label holds a twin's name, a path or anything else that callers choose: the number of time
series is bounded by the number of routes, statuses, projections and shards.
"""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from services.query_api.lag import Lag

CONTENT_TYPE = CONTENT_TYPE_LATEST
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The figures of one server; each has a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._requests = Histogram(
            "vito_api_request_seconds",
            "Time from a request's headers to its answer",
            ["route", "status"],
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self._problems = Counter(
            "vito_api_problems",
            "Answers that were problems, by code",
            ["code"],
            registry=self.registry,
        )
        self._in_flight = Gauge(
            "vito_api_in_flight_requests", "Requests being answered", registry=self.registry
        )
        self._lag = Gauge(
            "vito_projection_lag_commits",
            "Commits in the log that a projection has not applied",
            ["projection", "shard"],
            registry=self.registry,
        )
        self._lag_known = Gauge(
            "vito_projection_lag_known",
            "1 if the lag could be measured, 0 if the log or the database did not answer",
            registry=self.registry,
        )
        self._pool = Gauge(
            "vito_api_db_pool",
            "Database connections of the API and who waits for them",
            ["state"],
            registry=self.registry,
        )

    def began(self) -> None:
        """A request was read."""
        self._in_flight.inc()

    def answered(self, route: str, status: int, seconds: float, code: str | None) -> None:
        """A request was answered, with the problem *code* unless all was well."""
        self._in_flight.dec()
        self._requests.labels(route, str(status)).observe(seconds)
        if code is not None:
            self._problems.labels(code).inc()

    def expose(self, lag: Lag, pool: Mapping[str, int]) -> bytes:
        """All figures in Prometheus' text format."""
        self._lag_known.set(0 if lag.faults else 1)
        for shard in lag.shards:
            self._lag.labels(shard.projection, str(shard.shard)).set(shard.behind)
        size, idle = pool.get("pool_size", 0), pool.get("pool_available", 0)
        self._pool.labels("idle").set(idle)
        self._pool.labels("busy").set(size - idle)
        self._pool.labels("waiting").set(pool.get("requests_waiting", 0))
        return generate_latest(self.registry)
