"""
One exchange with a stranger.

A name is resolved once, every address that it has is looked at, and the connection is made to what
was looked at: between the look and the connection there is no second question that a name server
could answer differently (DNS rebinding). Each socket is looked at again when it is made, by
whatever way its address came. Nothing is kept from one exchange to the next: no connection, no
name, no cookie. Proxies and logins of the environment are not used: they would connect for us.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Self, TypeAlias

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from services.knowledge.fetching.packed import Unpacking
from services.knowledge.fetching.public_address import Address, own_addresses, why_not_public
from services.knowledge.fetching.target import Target
from services.knowledge.problem import IngestionProblem

CONNECTIONS_MAX: Final = 16
CONNECT_S: Final = 10.0
# Whoever does not want to be read by us can say so to this name.
USER_AGENT: Final = "vito-twin/1 (fetches single pages on a person's request)"
# No name server of the Internet knows these (RFC 2606); a sandbox may stand in for them.
RESERVED: Final = ".example"

AddrInfo: TypeAlias = tuple[Any, Any, int, str, tuple[Any, ...]]
OwnAddresses: TypeAlias = Callable[[], frozenset[Address]]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one exchange may take: bytes as they come and again unpacked, and seconds."""

    bytes_max: int = 20 << 20
    total_s: float = 30.0
    idle_s: float = 10.0


class Reply(msgspec.Struct, frozen=True):
    """A whole answer. *headers* are found by any spelling."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class AddressRefused(OSError):
    """A socket to an address that is not public was about to be made."""


class SafeHttp:
    """
    The way to strangers, while it is open.

    *resolver* is a test's. *sandbox_url* is where a sandbox of vendors stands in for the hosts of
    *played* and for all names that end with `.example`; even then no address of this machine can be
    asked for, because it is not the address that is allowed but these names that are sent there.
    """

    def __init__(
        self,
        *,
        resolver: AbstractResolver | None = None,
        own: OwnAddresses = own_addresses,
        sandbox_url: str | None = None,
        played: Mapping[str, str] | None = None,
    ) -> None:
        self._resolver = resolver
        self._own = own
        self._sandbox_url = sandbox_url
        self._played = dict(played or {})
        self._session: aiohttp.ClientSession | None = None
        self._sandbox: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = _session(
            aiohttp.TCPConnector(
                resolver=_Looking(self._resolver or aiohttp.ThreadedResolver(), self._own),
                socket_factory=self._socket,
                use_dns_cache=False,
                force_close=True,
                limit=CONNECTIONS_MAX,
            )
        )
        if self._sandbox_url is not None:
            self._sandbox = _session(aiohttp.TCPConnector(limit=CONNECTIONS_MAX))
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for session in (self._session, self._sandbox):
            if session is not None:
                await session.close()
        self._session = self._sandbox = None

    async def exchange(
        self,
        target: Target,
        *,
        method: Literal["GET", "POST"] = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> Reply:
        """
        Ask once and read the whole answer, whatever its status; a redirect is an answer.

        Raises IngestionProblem: address_refused, unreachable, too_slow, too_large, damaged,
        wrong_type.
        """
        session, url = self._way(target)
        try:
            async with session.request(
                method,
                URL(url, encoded=True),
                data=body,
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip", **(headers or {})},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=limits.total_s, sock_connect=CONNECT_S, sock_read=limits.idle_s
                ),
            ) as response:
                whole = await _read(response, limits.bytes_max)
                return Reply(response.status, response.headers, whole)
        except TimeoutError as problem:
            raise too_slow(target.host, limits.total_s) from problem
        except (aiohttp.ClientError, ValueError, OSError) as problem:
            raise _unreachable(target.host, problem) from problem

    def _way(self, target: Target) -> tuple[aiohttp.ClientSession, str]:
        assert self._session is not None, "use `async with`"
        if self._sandbox is not None:
            vendor = self._played.get(target.host)
            if vendor is not None:
                return self._sandbox, f"{self._sandbox_url}/{vendor}{target.path}"
            if target.host.endswith(RESERVED):
                return self._sandbox, f"{self._sandbox_url}/site/{target.host}{target.path}"
        return self._session, target.url

    def _socket(self, info: AddrInfo) -> socket.socket:
        family, kind, proto, _, where = info
        if _why_refused(str(where[0]), self._own()) is not None:
            raise AddressRefused(f"{where[0]} is not public")
        return socket.socket(family, kind, proto)


class _Looking(AbstractResolver):
    """Resolves a name and looks at every address that it has; one that is not public spoils all."""

    def __init__(self, resolver: AbstractResolver, own: OwnAddresses) -> None:
        self._resolver = resolver
        self._own = own

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        own = self._own()
        for one in found:
            why = _why_refused(one["host"], own)
            if why is not None:
                raise IngestionProblem(
                    "address_refused",
                    f"The name {host} leads to {one['host']}, which is {why}; only public addresses"
                    " are fetched.",
                )
        return found

    async def close(self) -> None:
        await self._resolver.close()


def _why_refused(text: str, own: frozenset[Address]) -> str | None:
    if "%" in text:
        return "an address of one interface of this machine"
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "no IP address"
    return "an address of this machine" if address in own else why_not_public(address)


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        # It would unpack a bomb before anybody could count.
        auto_decompress=False,
        trust_env=False,
    )


async def _read(response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    if (response.content_length or 0) > bytes_max:
        raise _too_large(bytes_max)
    unpacking = Unpacking(response.headers.get("Content-Encoding", "").strip().lower())
    whole, received = bytearray(), 0
    async for piece in response.content.iter_any():
        received += len(piece)
        for step in unpacking.feed(piece):
            whole += step
            if max(received, len(whole)) > bytes_max:
                raise _too_large(bytes_max)
    if whole or received:
        unpacking.finish()
    return bytes(whole)


def _too_large(bytes_max: int) -> IngestionProblem:
    return IngestionProblem(
        "too_large",
        f"It has more than {bytes_max / (1 << 20):g} MB. Upload the part that the twin should"
        " know.",
    )


def too_slow(host: str, total_s: float) -> IngestionProblem:
    """The problem of an answer that did not come whole in time."""
    return IngestionProblem(
        "too_slow",
        f"{host} did not answer whole within {total_s:g} seconds. Try again later.",
        may_pass=True,
    )


def _unreachable(host: str, problem: Exception) -> IngestionProblem:
    cause = getattr(problem, "os_error", problem)
    if isinstance(cause, AddressRefused):
        return IngestionProblem("address_refused", f"{host} leads to an address that {cause}.")
    if isinstance(problem, aiohttp.ClientConnectorDNSError):
        why, may_pass = "its name is not known", True
    elif isinstance(problem, aiohttp.ClientSSLError | ssl.SSLError):
        why, may_pass = "it does not show a certificate that can be trusted", False
    elif isinstance(problem, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError):
        why, may_pass = "it broke off in the middle of its answer", True
    elif isinstance(problem, aiohttp.ClientConnectionError | OSError):
        why, may_pass = "no connection could be made", True
    else:
        why, may_pass = "what it answered is not HTTP as it should be", False
    return IngestionProblem("unreachable", f"{host} was not reached: {why}.", may_pass=may_pass)
