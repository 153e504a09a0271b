"""`vito chat`: a conversation with a twin in the terminal, with the meter beside."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Final

import aiohttp
import msgspec
import typer
from aiohttp import WSMsgType
from rich.console import Console
from rich.markup import escape

from contracts import stream
from contracts.stream import (
    Cited,
    CitedSource,
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
from services.cli import asking
from services.cli.asking import DataDir, Tenant
from services.client import GateClient
from services.failure import Failure
from services.settings import Settings

ANSWER_S: Final = 120.0
_USD: Final = 1_000_000_000
Socket = aiohttp.ClientWebSocketResponse


class NoConversation(Failure):
    """The gateway did not begin a conversation."""


def chat(
    tenant: Tenant,
    deployment: Annotated[str, typer.Option(help="The deployment that you visit.")] = "web",
    language: Annotated[str, typer.Option(help="BCP 47; empty for the twin's own.")] = "",
    data_dir: DataDir = None,
) -> None:
    """
    Talk with a twin, as a visitor of one of its deployments would; Ctrl-C says goodbye.

    What each turn has cost, and what the month has left, stands beside.
    """
    asking.ask(
        tenant,
        data_dir,
        lambda gate, settings: _Chat(gate, settings, language).run(deployment),
    )


class _Chat:
    """One conversation in a terminal."""

    def __init__(self, gate: GateClient, settings: Settings, language: str) -> None:
        self._gate = gate
        self._url = f"http://{settings.gateway_host}:{settings.gateway_port}"
        self._language = language
        self._console = Console(highlight=False)
        self._cost_nanos = 0
        self._turns = 0

    async def run(self, deployment: str) -> None:
        """Talk until somebody has had enough."""
        async with aiohttp.ClientSession() as session, self._opened(session, deployment) as socket:
            welcome = await self._greet(socket)
            try:
                while (text := await _typed(self._console)) is not None:
                    if text.strip() and not await self._turn(socket, text, welcome.session_id):
                        return
            except (KeyboardInterrupt, asyncio.CancelledError):
                self._console.print()
            await socket.send_str(str(stream.encode(stream.Bye())))

    @asynccontextmanager
    async def _opened(
        self, session: aiohttp.ClientSession, deployment: str
    ) -> AsyncIterator[Socket]:
        origin = await self._origin(deployment)
        path = f"{self._url}/v1/twins/{self._gate.tenant}"
        headers = {"Origin": origin} if origin else {}
        try:
            where = f"{path}/deployments/{deployment}/visitors"
            async with session.post(where, headers=headers) as answer:
                said = await answer.json()
                if answer.status != asking.DONE:
                    raise NoConversation(said["title"], said["remedy"])
            protocols = (stream.SUBPROTOCOL, f"{stream.BEARER}{said['token']}")
            async with session.ws_connect(
                f"{path}/stream", protocols=protocols, headers=headers
            ) as socket:
                yield socket
        except aiohttp.ClientError as problem:
            raise NoConversation(
                f"The gateway at {self._url} does not answer: {type(problem).__name__}.",
                "start `vito up`, or `vito gateway`.",
            ) from problem

    async def _origin(self, deployment: str) -> str:
        shown = (await self._gate.show(DeploymentView)).deployments
        for one in shown:
            if one.deployment == deployment:
                return one.terms.origins[0] if one.terms.origins else ""
        raise NoConversation(
            f"{self._gate.tenant} has no deployment {deployment!r}.",
            "`vito deployment list` names those there are.",
        )

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
                await self._meter(session_id)
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

    async def _meter(self, session_id: str) -> None:
        """Say what the turn has cost, and how the month stands: as the operator sees it."""
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
        self._console.print(
            f"\n[dim]this turn {_usd(turn_nanos)} · month {_usd(money.committed)} spent,"
            f" {_usd(money.held)} held{left}[/]"
        )

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
