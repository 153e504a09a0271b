"""`vito chat`: a conversation with a twin in the terminal, with the meter beside."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Final, Protocol

import aiohttp
import msgspec
import typer
import uvloop
from aiohttp import WSMsgType
from rich.console import Console
from rich.markup import escape

from contracts import stream
from contracts.citation import CitedSource
from contracts.stream import (
    Cited,
    Closing,
    FromGateway,
    Notice,
    Refused,
    TextPiece,
    Throttled,
    TurnEnded,
    Video,
    Welcome,
)
from contracts.views import BudgetView, DeploymentView
from services.audit.access import settings_in, tenant_named
from services.cli import asking
from services.cli.asking import DataDir, Tenant
from services.client import GateClient
from services.failure import Failure
from services.identity.trusted_url import check_address
from services.settings import Settings

ANSWER_S: Final = 120.0
KEY_VARIABLE: Final = "TWIN_KEY"
_USD: Final = 1_000_000_000
Socket = aiohttp.ClientWebSocketResponse


class NoConversation(Failure):
    """The gateway did not begin a conversation."""


def chat(
    tenant: Tenant,
    deployment: Annotated[str, typer.Option(help="The deployment that you visit.")] = "web",
    language: Annotated[str, typer.Option(help="BCP 47; empty for the twin's own.")] = "",
    key: Annotated[
        str,
        typer.Option(
            envvar=KEY_VARIABLE,
            help="Talk as a service, with an API key of the twin (scope `calls`).",
        ),
    ] = "",
    url: Annotated[
        str, typer.Option(help="With a key: the gateway, wherever it is.", show_default="here")
    ] = "",
    data_dir: DataDir = None,
) -> None:
    """
    Talk with a twin, as a visitor of one of its deployments would; Ctrl-C says goodbye.

    What each turn has cost, and what the month has left, stands beside. With a key it needs nothing
    but the gateway's address: put the key into TWIN_KEY, where no list of processes shows it.
    """
    if key:
        entrance = _ByKey(tenant_named(tenant), url or _gateway(settings_in(data_dir)), key)
        uvloop.run(_Chat(entrance, language).run())
        return
    if url:
        raise NoConversation(
            "A visitor is let in by the deployment on this machine only.",
            f"talk as a service: --key, or {KEY_VARIABLE}.",
        )
    asking.ask(
        tenant,
        data_dir,
        lambda gate, settings: _Chat(
            _AsVisitor(gate, _gateway(settings), deployment), language
        ).run(),
    )


def _gateway(settings: Settings) -> str:
    if not settings.gateway_port:
        raise NoConversation("No gateway is known here.", "start `vito up`, or name it with --url.")
    return f"http://{settings.gateway_host}:{settings.gateway_port}"


class _Entrance(Protocol):
    """How somebody gets into a conversation, and what they are told of its cost."""

    def opened(self, session: aiohttp.ClientSession) -> AbstractAsyncContextManager[Socket]:
        """Connect. Raises NoConversation."""

    async def meter(self, session_id: str, ended: TurnEnded) -> str:
        """Say what the turn that has ended has cost."""


class _AsVisitor:
    """A visitor of a deployment; the meter is the operator's, who sits beside."""

    def __init__(self, gate: GateClient, url: str, deployment: str) -> None:
        self._gate = gate
        self._url = url
        self._deployment = deployment
        self._cost_nanos = 0

    @asynccontextmanager
    async def opened(self, session: aiohttp.ClientSession) -> AsyncIterator[Socket]:
        origin = await self._origin()
        path = f"{self._url}/v1/twins/{self._gate.tenant}"
        headers = {"Origin": origin} if origin else {}
        async with _explained(self._url):
            where = f"{path}/deployments/{self._deployment}/visitors"
            async with session.post(where, headers=headers) as answer:
                said = await answer.json()
                if answer.status != asking.DONE:
                    raise NoConversation(said["title"], said["remedy"])
            protocols = (stream.SUBPROTOCOL, f"{stream.BEARER}{said['token']}")
            async with session.ws_connect(
                f"{path}/stream", protocols=protocols, headers=headers
            ) as socket:
                yield socket

    async def _origin(self) -> str:
        shown = (await self._gate.show(DeploymentView)).deployments
        for one in shown:
            if one.deployment == self._deployment:
                return one.terms.origins[0] if one.terms.origins else ""
        raise NoConversation(
            f"{self._gate.tenant} has no deployment {self._deployment!r}.",
            "`vito deployment list` names those there are.",
        )

    async def meter(self, session_id: str, ended: TurnEnded) -> str:  # noqa: ARG002 - not told
        (found,) = (await self._gate.find_sessions([session_id])).sessions
        turn_nanos = max(0, found.committed_nanos - self._cost_nanos)
        self._cost_nanos = max(found.committed_nanos, self._cost_nanos)
        budget = await self._gate.show(BudgetView)
        money = next(meter for meter in budget.meters if meter.meter == "money")
        left = (
            ""
            if money.limit is None
            else f", {_usd(money.limit - money.committed - money.held)} left"
        )
        return (
            f"this turn {_usd(turn_nanos)} · month {_usd(money.committed)} spent,"
            f" {_usd(money.held)} held{left}"
        )


class _ByKey:
    """A service with an API key; it is told what its own conversation has cost."""

    def __init__(self, tenant: str, url: str, key: str) -> None:
        try:
            check_address(re.sub(r"^ws(s?)://", r"http\1://", url))
        except ValueError:
            raise NoConversation(
                f"{url!r} is no address of a gateway.",
                "give one that begins with https:// (http:// to this machine): it gets a key.",
            ) from None
        self._tenant = tenant
        self._url = re.sub("^ws", "http", url).rstrip("/")
        self._key = key
        self._cost_nanos = 0

    @asynccontextmanager
    async def opened(self, session: aiohttp.ClientSession) -> AsyncIterator[Socket]:
        path = stream.PATH.format(tenant=self._tenant)
        async with (
            _explained(self._url),
            session.ws_connect(
                f"{self._url}{path}",
                protocols=(stream.SUBPROTOCOL,),
                headers={"Authorization": f"Bearer {self._key}"},
            ) as socket,
        ):
            yield socket

    async def meter(self, session_id: str, ended: TurnEnded) -> str:  # noqa: ARG002 - not needed
        if ended.cost_nanos is None:
            return ""
        before, self._cost_nanos = self._cost_nanos, ended.cost_nanos
        turn_nanos = max(0, ended.cost_nanos - before)
        return f"this turn {_usd(turn_nanos)} · this conversation {_usd(ended.cost_nanos)}"


@asynccontextmanager
async def _explained(url: str) -> AsyncIterator[None]:
    try:
        yield
    except aiohttp.WSServerHandshakeError as problem:
        raise NoConversation(
            f"The gateway at {url} does not let you in: status {problem.status}.",
            "show a key of this twin with the scope `calls`: `vito key issue` makes one.",
        ) from None
    except (aiohttp.ClientError, TimeoutError) as problem:
        raise NoConversation(
            f"The gateway at {url} does not answer: {type(problem).__name__}.",
            "start `vito up`, or `vito gateway`.",
        ) from problem


class _Chat:
    """One conversation in a terminal."""

    def __init__(self, entrance: _Entrance, language: str) -> None:
        self._entrance = entrance
        self._language = language
        self._console = Console(highlight=False)
        self._turns = 0

    async def run(self) -> None:
        """Talk until somebody has had enough."""
        async with (
            aiohttp.ClientSession() as session,
            self._entrance.opened(session) as socket,
        ):
            welcome = await self._greet(socket)
            try:
                while (text := await _typed(self._console)) is not None:
                    if text.strip() and not await self._turn(socket, text, welcome.session_id):
                        return
            except (KeyboardInterrupt, asyncio.CancelledError):
                self._console.print()
            await socket.send_str(str(stream.encode(stream.Bye())))

    async def _greet(self, socket: Socket) -> Welcome:
        await socket.send_str(str(stream.encode(stream.Hello(language=self._language))))
        welcome = await self._hear(socket)
        if not isinstance(welcome, Welcome):
            assert isinstance(welcome, Closing), "a gateway welcomes, or says why not"
            raise NoConversation(welcome.problem.title, welcome.problem.remedy)
        if welcome.disclosure is not None:
            self._console.print(f"[bold]{escape(welcome.disclosure.text)}[/]")
            shown = stream.Disclosed(version=welcome.disclosure.version)
            await socket.send_str(str(stream.encode(shown)))
        return welcome

    async def _turn(self, socket: Socket, text: str, session_id: str) -> bool:
        """Ask, show what comes; whether the conversation goes on."""
        self._turns += 1
        turn = str(self._turns)
        await socket.send_str(
            str(stream.encode(stream.Text(id=turn, text=text[: stream.TEXT_CHARS_MAX])))
        )
        while (message := await self._hear(socket)) is not None:
            if message.position:
                acknowledged = stream.Acknowledge(position=message.position)
                await socket.send_str(str(stream.encode(acknowledged)))
            self._show(message)
            if isinstance(message, Closing):
                return False
            if isinstance(message, TurnEnded) and message.turn == turn:
                said = await self._entrance.meter(session_id, message)
                self._console.print(f"\n[dim]{said}[/]" if said else "")
                return True
        return False

    def _show(self, message: FromGateway) -> None:
        match message:
            case TextPiece():
                self._console.print(escape(message.text), end="")
            case Notice():
                self._console.print(f"\n[yellow]{escape(message.message)}[/]")
            case Video() if message.url:
                self._console.print(f"\n[dim]seen at {escape(message.url)}[/]")
            case Cited():
                told = "; ".join(dict.fromkeys(_cited(one) for one in message.sources))
                self._console.print(f"[dim]by: {escape(told)}[/]")
            case Throttled():
                self._console.print(f"[dim]… in {message.delay_ms} ms[/]")
            case Refused() | Closing():
                problem = message.problem
                self._console.print(
                    f"\n[red]{problem.status} {escape(problem.title)}[/] {escape(problem.remedy)}"
                )
            case _:
                pass

    async def _hear(self, socket: Socket) -> FromGateway | None:
        """Return the next message; audio is not played in a terminal."""
        while True:
            async with asyncio.timeout(ANSWER_S):
                message = await socket.receive()
            if message.type is WSMsgType.TEXT:
                try:
                    return stream.read_gateway(message.data)
                except msgspec.ValidationError:
                    # Of a newer gateway: what is not known is to be ignored.
                    continue
            if message.type is not WSMsgType.BINARY:
                return None


async def _typed(console: Console) -> str | None:
    """Return a line of the person; None at the end."""
    if sys.stdin.isatty():
        console.print("[bold]>[/] ", end="")
    line = await asyncio.to_thread(sys.stdin.readline)
    return line.rstrip("\n") if line else None


def _cited(one: CitedSource) -> str:
    if one.page is not None:
        return f"{one.title}, page {one.page}"
    if one.second is not None:
        return f"{one.title}, {one.second // 60}:{one.second % 60:02}"
    return one.title


def _usd(nanos: int) -> str:
    return f"${nanos / _USD:.6f}"
