"""
The door: every request passes here, in this order.

    name it and start its clock -> something is shown -> not too many at once -> who asks
    -> from a page of ours -> a twin of theirs -> their right -> parameters -> the twin exists
    -> at least the position asked for -> handler -> headers, log, figures

Whether a twin is any business of the caller is known before anything is asked about that twin: so
a stranger is answered the same, and as fast, for twins that exist and for those that do not.

A handler sees one moment of the tables (one snapshot), so that a page and the position in its
header belong together.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeAlias

import msgspec
from aiohttp import web
from pydantic import BaseModel

from domain import rights
from services import logs
from services.http_api import protocol
from services.http_door import body, cross_site
from services.http_door.authentication import Authentication
from services.http_door.caller import CALLER, Caller
from services.http_door.doorman import Doorman
from services.http_door.endpoint import Endpoint
from services.query_api import parameters, problems
from services.query_api.call import AnyRoute, Call, Probe
from services.query_api.cursors import Cursors
from services.query_api.lag import LagGauge
from services.query_api.metrics import Metrics
from services.query_api.positions import PositionWatch
from services.query_api.problems import HttpProblem
from services.query_api.read_side import ReadSide
from services.query_api.rows import Reader

SAFE_METHODS = cross_site.SAFE_METHODS
Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
UNMATCHED = "unmatched"
MIN_POSITION_HEADER = "Vito-Min-Position"


class Limits(msgspec.Struct, frozen=True):
    """What the server takes on. *lag_max* is in commits: beyond it the server is not ready."""

    in_flight_max: int = 256
    waiting_max: int = 128
    position_wait_s: float = 2.0
    position_poll_s: float = 0.01
    request_s: float = 10.0
    # A file takes as long as its line does; `http_door.progress` sees that it comes.
    upload_s: float = 3_660.0
    uploads_max: int = 32
    lag_max: int = 10_000
    lag_max_age_s: float = 1.0


class Trace(msgspec.Struct):
    """What the log line of a request will say besides its status."""

    instance: str
    position: int | None = None
    code: str | None = None
    principal: str | None = None


TRACE = web.RequestKey("trace", Trace)


class Api:
    """Everything the handlers share. It owns nothing: who made the parts closes them."""

    def __init__(
        self,
        read_side: ReadSide,
        lag: LagGauge,
        authentication: Authentication,
        doorman: Doorman,
        cursors: Cursors,
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.read_side = read_side
        self.lag = lag
        self.metrics = Metrics()
        self.positions = PositionWatch(
            read_side.positions,
            every_s=self.limits.position_poll_s,
            waiting_max=self.limits.waiting_max,
        )
        self._authentication = authentication
        self._doorman = doorman
        self._cursors = cursors
        self._in_flight = 0
        self._uploads = 0
        # What each path does to a twin, by method and template.
        self._asked: dict[tuple[str, str], tuple[str, str]] = {}
        self._probe_paths: frozenset[str] = frozenset()
        self._open_paths: frozenset[str] = frozenset()
        self._strangers_paths: frozenset[str] = frozenset()
        self._streams_paths: frozenset[str] = frozenset()
        self._uploads_paths: frozenset[str] = frozenset()

    def application(
        self,
        routes: Sequence[AnyRoute],
        probes: Mapping[Probe, Handler],
        endpoints: Mapping[Endpoint, Handler] | None = None,
        pages: Mapping[tuple[str, str], Handler] | None = None,
        uploads: Iterable[str] = (),
    ) -> web.Application:
        """
        Make the application that serves all these; *pages* look themselves who may see them.

        *uploads* are the paths of those pages to which files are brought.
        """
        app = web.Application(
            middlewares=[self._named, self._guarded], client_max_size=body.BYTES_MAX
        )
        for probe, handler in probes.items():
            app.router.add_get(probe.path, handler if probe.open else _for_operators(handler))
        # The first that fits answers: `knowledge/search` is no source of that name.
        for endpoint, handler in (endpoints or {}).items():
            app.router.add_route(endpoint.method, endpoint.path, handler)
        for (method, path), handler in (pages or {}).items():
            app.router.add_route(method, path, handler)
        for route in routes:
            app.router.add_get(route.path, self._handler(route))
        self._asked = _asked(routes, probes, endpoints or {})
        self._probe_paths = frozenset(probe.path for probe in probes if probe.open)
        open_paths = {one.path for one in endpoints or {} if one.open}
        self._open_paths = frozenset(open_paths | {_canonical(path) for _, path in pages or {}})
        self._streams_paths = frozenset(one.path for one in endpoints or {} if one.streams)
        files = {one.path for one in endpoints or {} if one.takes_files}
        self._uploads_paths = frozenset(files | {_canonical(path) for path in uploads})
        self._strangers_paths = frozenset(one.path for one in endpoints or {} if one.for_strangers)
        app.on_response_prepare.append(_prepare)
        app.on_shutdown.append(self._stop_waiting)
        return app

    # -- Middlewares -----------------------------------------------------------

    @web.middleware
    async def _named(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Give the request a name, its log line and its figures; turn failures into problems."""
        trace = Trace(problems.new_instance())
        request[TRACE] = trace
        started_s = time.monotonic()
        self.metrics.began()
        status = int(HTTPStatus.INTERNAL_SERVER_ERROR)
        try:
            response = await self._answered(request, handler, trace)
            status = response.status
        finally:
            seconds = time.monotonic() - started_s
            self.metrics.answered(_template(request), status, seconds, trace.code)
            _log(request, trace, status, seconds)
        return response

    async def _answered(
        self, request: web.Request, handler: Handler, trace: Trace
    ) -> web.StreamResponse:
        try:
            async with asyncio.timeout(self._time_s(_template(request))):
                return await handler(request)
        except HttpProblem as problem:
            refused = problem
        except TimeoutError:
            # A question may be asked again; what was to be done may have been.
            kind = problems.TOO_SLOW if request.method in SAFE_METHODS else problems.CANNOT_VERIFY
            refused = HttpProblem(kind, "The time for one request was used up.")
        except web.HTTPException as error:
            refused = _of_router(request, error)
        except Exception as error:  # noqa: BLE001 - the last place where a bug can be answered
            logs.get().error("request_failed", request_id=trace.instance, exc_info=error)
            refused = HttpProblem(problems.INTERNAL, "A fault in the server, not in the request.")
        trace.code, trace.position = refused.kind.code, refused.position
        return refused.response(trace.instance)

    def _time_s(self, template: str) -> float | None:
        if template in self._streams_paths:
            return None
        is_upload = template in self._uploads_paths
        return self.limits.upload_s if is_upload else self.limits.request_s

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let through who may ask, in a form that can be asked, and not too many at once."""
        template = _template(request)
        if template in self._probe_paths:
            # Whoever watches the process is answered however busy it is.
            _refuse_body(request)
            return await handler(request)
        if template in self._open_paths:
            return await self._bounded(request, handler)
        presented = self._authentication.presented(request)
        _refuse_body(request)

        async def recognised(request: web.Request) -> web.StreamResponse:
            tenant = request.match_info.get("tenant")
            asked = self._asked.get((request.method, template), ("", ""))
            try:
                caller = await self._authentication.caller(presented)
            except problems.KnownCallerRefused as problem:
                self._doorman.note_over(tenant, asked, problem)
                raise
            request[CALLER] = caller
            request[TRACE].principal = f"{caller.kind}_{caller.id}".rstrip("_")
            cross_site.check(request, caller)
            is_open_to_all = caller.kind == "person" and template in self._strangers_paths
            try:
                self._doorman.check_tenant(caller, tenant, is_open_to_all=is_open_to_all)
                return await handler(request)
            except HttpProblem as problem:
                self._doorman.note(caller, tenant, asked, problem)
                raise

        if template in self._streams_paths:
            # How many there may be they count themselves: each would keep a place for minutes.
            return await recognised(request)
        return await self._bounded(request, recognised)

    async def _bounded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if _template(request) in self._uploads_paths:
            return await self._taking_a_file(request, handler)
        if self._in_flight >= self.limits.in_flight_max:
            raise HttpProblem(problems.OVERLOADED, "Too many requests are being answered.")
        self._in_flight += 1
        try:
            return await handler(request)
        finally:
            self._in_flight -= 1

    async def _taking_a_file(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Files come slowly, so they are counted apart: they may not keep everybody else out."""
        if self._uploads >= self.limits.uploads_max:
            raise HttpProblem(problems.OVERLOADED, "Too many files are being brought.")
        self._uploads += 1
        try:
            return await handler(request)
        finally:
            self._uploads -= 1

    # -- Questions -------------------------------------------------------------

    def _handler(self, route: AnyRoute) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            if route.tenant_scoped:
                tenant = request.match_info["tenant"]
                await self._doorman.check_right(request[CALLER], tenant, route.about, route.verb)
            query = parameters.parse(route.query, request.query)
            ask = self._ask_about_tenant if route.tenant_scoped else self._ask
            answer, position = await ask(route, request, query)
            request[TRACE].position = position
            return _respond(answer, position)

        return handle

    async def _ask(
        self, route: AnyRoute, request: web.Request, query: Any
    ) -> tuple[BaseModel, int | None]:
        async def work(reader: Reader) -> BaseModel:
            call = self._call(route, request, query, reader, "", None)
            call = dataclasses.replace(call, visible=_visible(request[CALLER]))
            return await route.handler(call)  # type: ignore[no-any-return]

        return await self.read_side.read(work), None

    async def _ask_about_tenant(
        self, route: AnyRoute, request: web.Request, query: Any
    ) -> tuple[BaseModel, int | None]:
        tenant = request.match_info["tenant"]
        wanted = _min_position(request, query)

        async def work(reader: Reader) -> tuple[BaseModel | None, int]:
            position = await reader.position(tenant)
            if position < wanted:
                return None, position
            if position == 0:
                raise _no_tenant()
            call = self._call(route, request, query, reader, tenant, position)
            return await route.handler(call), position

        answer, position = await self.read_side.read(work)
        if answer is None and await self.positions.reached(
            tenant, wanted, within_s=self.limits.position_wait_s
        ):
            answer, position = await self.read_side.read(work)
        if answer is None:
            raise HttpProblem(
                problems.POSITION_NOT_REACHED,
                f"Position {wanted} was asked for; {position} is reached"
                + ("." if position else ": nothing is known of this twin yet."),
                position=position,
                min_position=wanted,
            )
        return answer, position

    def _call(
        self,
        route: AnyRoute,
        request: web.Request,
        query: Any,
        reader: Reader,
        tenant: str,
        position: int | None,
    ) -> Call[Any]:
        path = dict(request.match_info)
        return Call(route.path, query, path, tenant, position, reader, self._cursors)

    async def _stop_waiting(self, _app: web.Application) -> None:
        await self.positions.close()


# -- Answers -------------------------------------------------------------------


def _respond(answer: BaseModel, position: int | None) -> web.Response:
    response = web.Response(
        body=answer.model_dump_json(by_alias=True).encode(), content_type="application/json"
    )
    if position is not None:
        response.headers["Vito-Position"] = str(position)
    return response


async def _prepare(request: web.Request, response: web.StreamResponse) -> None:
    protocol.add_security_headers(response.headers)
    if TRACE in request:
        response.headers["Vito-Request-Id"] = request[TRACE].instance


# -- Requests ------------------------------------------------------------------


def _template(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return UNMATCHED if resource is None else resource.canonical


def _canonical(path: str) -> str:
    """Return a path as the router writes it, without the pattern of a variable part."""
    return re.sub(r"{(\w+):[^}]*}", r"{\1}", path)


def _asked(
    routes: Iterable[AnyRoute], probes: Iterable[Probe], endpoints: Iterable[Endpoint]
) -> dict[tuple[str, str], tuple[str, str]]:
    """Say what each path is about, for the record of who may not."""
    return {
        **{("GET", one.path): (one.about, one.verb) for one in routes if one.tenant_scoped},
        **{("GET", one.path): (one.path.strip("/"), rights.QUESTION) for one in probes},
        **{(one.method, one.path): one.about for one in endpoints},
    }


def _for_operators(handler: Handler) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        if request[CALLER].kind != "operator":
            raise HttpProblem(problems.CALLER_NOT_ALLOWED, "This is for the deployment's operator.")
        return await handler(request)

    return handle


def _visible(caller: Caller) -> list[str] | None:
    """The twins that a caller may see in a list; None: all."""
    if caller.kind == "operator" or caller.is_admin:
        return None
    own = [caller.tenant] if caller.tenant else sorted(caller.roles)
    return [name for name in own if caller.may(name, "tenant", "show")]


def _refuse_body(request: web.Request) -> None:
    if request.method != "POST" and request.can_read_body:
        raise HttpProblem(problems.BODY_NOT_ACCEPTED, "The request came with a body.")


def _min_position(request: web.Request, query: parameters.PositionQuery) -> int:
    headers = request.headers.getall(MIN_POSITION_HEADER, [])
    stated = [parameters.parse_min_position(header) for header in headers]
    if query.min_position is not None:
        stated.append(query.min_position)
    # Both were asked for, so the answer must satisfy both.
    return max(stated, default=0)


def _no_tenant() -> HttpProblem:
    return HttpProblem(problems.TENANT_UNKNOWN, "No twin of this name has a log here.")


def _of_router(request: web.Request, error: web.HTTPException) -> HttpProblem:
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return HttpProblem(
            problems.METHOD_NOT_ALLOWED, f"Allowed: {allowed}.", headers={"Allow": allowed}
        )
    if isinstance(error, web.HTTPNotFound):
        return HttpProblem(problems.ROUTE_UNKNOWN, "No path of the API looks like this.")
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return HttpProblem(problems.BODY_TOO_LARGE, "The request came with a large body.")
    logs.get().warning("request_refused", request_id=request[TRACE].instance, status=error.status)
    return HttpProblem(problems.MALFORMED_REQUEST, "The request cannot be served.")


def _log(request: web.Request, trace: Trace, status: int, seconds: float) -> None:
    # The path's template and not the path, nor its query: those may hold anything.
    path = request.match_info
    known = {
        name: path[name]
        for name, form in (
            ("tenant", parameters.IS_TENANT),
            ("decision_id", parameters.IS_DECISION),
        )
        if name in path and form.fullmatch(path[name])
    }
    logs.get().info(
        "answered",
        request_id=trace.instance,
        method=request.method[:16],
        route=_template(request),
        status=status,
        code=trace.code,
        duration_ms=round(seconds * 1_000, 3),
        position=trace.position,
        remote=request.remote,
        principal=trace.principal,
        **known,
    )
