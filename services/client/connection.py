"""A NATS connection as a client of the gate needs it: it never stops trying to come back."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from nats.aio.client import Client
from nats.errors import Error as NatsError

from services import logs
from services.client.caller import CallerClient, Token
from services.embedded.nats_permissions import inbox_prefix
from services.failure import Failure
from services.settings import NatsLogin

CONNECT_S: Final = 5.0
RECONNECT_WAIT_S: Final = 0.1
REFUSED_WAIT_MAX_S: Final = 5.0
PING_INTERVAL_S: Final = 5
# Commands sent while the connection is away wait here; beyond it they are refused at once.
PENDING_BYTES_MAX: Final = 4 << 20
# The library has no error of its own for it while it connects.
REFUSED_LOGIN: Final = "authorization violation"


class NotConnected(Failure, ConnectionError):
    """There is no bus to talk to."""


async def open_connection(
    url: str | Sequence[str],
    *,
    user: str | None = None,
    password: Token | None = None,
    prefix: str | None = None,
    tls: ssl.SSLContext | None = None,
    connect_s: float = CONNECT_S,
    name: str = "vito-client",
) -> Client:
    """
    Connect within *connect_s*; a login may also stand in the URL. *prefix*: that of the inbox.

    Raises:
        NotConnected: no server answered in time, or it refused the login.
    """
    urls = [url] if isinstance(url, str) else list(url)
    options: dict[str, Any] = {} if tls is None else {"tls": tls}
    if prefix or (login := user or urlsplit(urls[0]).username):
        # Each user may only listen to replies under a prefix of its own.
        options["inbox_prefix"] = prefix or inbox_prefix(str(login))
    options["reconnect_time_wait"] = RECONNECT_WAIT_S
    problems: list[str] = []

    loop = asyncio.get_running_loop()
    patience = asyncio.timeout(connect_s)

    async def on_error(problem: Exception) -> None:
        problems[:] = [str(problem) or type(problem).__name__]
        logs.get().warning("nats_connection", reason=problems[0])
        if REFUSED_LOGIN in problems[0].lower():
            if connected:
                # It may have been revoked, or nobody is there to tell: less and less often.
                longer_s = 2 * connection.options["reconnect_time_wait"]
                connection.options["reconnect_time_wait"] = min(longer_s, REFUSED_WAIT_MAX_S)
            else:
                # The library would try for ever; a login that is refused stays refused.
                patience.reschedule(loop.time())

    async def on_reconnected() -> None:
        connection.options["reconnect_time_wait"] = RECONNECT_WAIT_S

    connected = False
    # A prefix of its own has who comes with a key or a token.
    connection = Client() if prefix is None else CallerClient()
    try:
        async with patience:
            await connection.connect(
                urls,
                name=name,
                user=user,
                password=password,
                error_cb=on_error,
                reconnected_cb=on_reconnected,
                max_reconnect_attempts=-1,
                ping_interval=PING_INTERVAL_S,
                pending_size=PENDING_BYTES_MAX,
                **options,
            )
            connected = True
            return connection
    except TimeoutError:
        reason = problems[0] if problems else f"no answer within {connect_s:g} s"
    except (NatsError, OSError) as problem:
        reason = str(problem) or type(problem).__name__
    raise NotConnected(
        f"No connection to the bus: {reason}",
        "start everything with `vito up`, or correct the address or the login.",
    )


def of_login(login: NatsLogin) -> dict[str, Any]:
    """Return the arguments of `GateClient.connect` for a login; they hold the password."""
    tls = None if login.ca_file is None else ssl.create_default_context(cafile=login.ca_file)
    return {
        "url": login.urls,
        "user": login.user,
        "password": login.password.reveal(),
        "tls": tls,
    }
