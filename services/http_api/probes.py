"""
What machines ask about this process: is it alive, may it serve, what are its figures.

Alive and ready are different questions: a process that waits for Postgres is alive, and killing it
would not help; it is not ready, and sending it readers would not help either.
"""

from __future__ import annotations

import msgspec
from aiohttp import web
from pydantic import BaseModel, Field

from services.http_api.app import TRACE, Api, Handler
from services.query_api import metrics, problems
from services.query_api.call import Probe
from services.query_api.lag import Lag
from services.query_api.problems import HttpProblem


class Alive(BaseModel):
    """The process answers."""

    status: str = Field(description="always `alive`", examples=["alive"])


class ShardState(BaseModel):
    """How far one projection is behind the log of one shard."""

    projection: str
    shard: int
    head: int = Field(description="last sequence in the shard's stream")
    applied: int = Field(description="last sequence that is in the tables")
    behind: int = Field(description="commits that are not in the tables yet")


class Readiness(BaseModel):
    """Whether answers can be had that are not too old."""

    status: str = Field(description="`ready` or `not_ready`", examples=["ready"])
    faults: list[str] = Field(description="what is wrong; empty when ready")
    lag_max: int = Field(description="commits a projection may be behind")
    shards: list[ShardState]


class NotReady(problems.Problem):
    """A problem that tells the state as well."""

    faults: list[str] = Field(description="what is wrong")
    lag_max: int = Field(description="commits a projection may be behind")
    shards: list[ShardState]


_JSON = "application/json"
ALIVE = Probe("/healthz", "isAlive", "Is the process alive?", _JSON, Alive)
READY = Probe(
    "/readyz",
    "isReady",
    "Is Postgres reachable and every projection close enough to the log?",
    _JSON,
    Readiness,
    (problems.NOT_READY,),
    NotReady,
)
METRICS = Probe("/metrics", "readMetrics", "Figures for Prometheus.", "text/plain", open=False)
OPENAPI = Probe("/openapi.json", "readOpenApi", "This document.", _JSON)
PROBES = (ALIVE, READY, METRICS, OPENAPI)


def handlers(api: Api, document: bytes) -> dict[Probe, Handler]:
    """Who answers each probe on one server; *document* is the OpenAPI document."""

    async def alive(_request: web.Request) -> web.Response:
        return _json(Alive(status="alive").model_dump_json().encode())

    async def ready(request: web.Request) -> web.Response:
        lag = await api.lag.read()
        faults = _faults(lag, api.limits.lag_max)
        state = _state(lag, faults, api.limits.lag_max)
        if faults:
            return _not_ready(request, state)
        return _json(state.model_dump_json().encode())

    async def figures(_request: web.Request) -> web.Response:
        body = api.metrics.expose(await api.lag.read(), api.read_side.stats())
        return web.Response(body=body, headers={"Content-Type": metrics.CONTENT_TYPE})

    async def openapi(_request: web.Request) -> web.Response:
        return _json(document)

    return {ALIVE: alive, READY: ready, METRICS: figures, OPENAPI: openapi}


def _faults(lag: Lag, lag_max: int) -> list[str]:
    late = [
        f"{shard.projection}: shard {shard.shard} is {shard.behind} commits behind"
        for shard in lag.shards
        if shard.behind > lag_max
    ]
    return [*lag.faults, *late]


def _state(lag: Lag, faults: list[str], lag_max: int) -> Readiness:
    return Readiness(
        status="not_ready" if faults else "ready",
        faults=faults,
        lag_max=lag_max,
        shards=[
            ShardState(**msgspec.structs.asdict(shard), behind=shard.behind) for shard in lag.shards
        ],
    )


def _not_ready(request: web.Request, state: Readiness) -> web.Response:
    trace = request[TRACE]
    trace.code = problems.NOT_READY.code
    problem = HttpProblem(problems.NOT_READY, "; ".join(state.faults))
    response = problem.response(trace.instance)
    known = problem.body(trace.instance).model_dump() | state.model_dump(exclude={"status"})
    response.body = NotReady(**known).model_dump_json(exclude_none=True).encode()
    return response


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type=_JSON)
