"""Wiring: the doors of a deployment, made from its settings."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from typing import Any, Never

from services.http_door.authentication import CredentialRefused, Identity
from services.http_door.doors import Doors
from services.http_door.gate_line import GateLine
from services.http_door.sign_in import CannotVerify
from services.identity.directory import Directory
from services.settings import Settings


async def open_doors(settings: Settings, stack: AsyncExitStack) -> Doors:
    """Make what the settings ask for; it is closed with *stack*. Raises Failure."""
    gate = GateLine(settings.nats("http"))
    stack.push_async_callback(gate.close)
    directory = await stack.enter_async_context(Directory(settings.postgres_reader()))
    return Doors(
        identity=Identity(directory, _NoTokens(), _now_us),
        gate=gate,
        accounts=_NoAccounts(),
        passwords=_NoPasswords(),
        jwks=_no_keys,
        clock_s=time.monotonic,
    )


def _now_us() -> int:
    return time.time_ns() // 1_000


class _NoTokens:
    def verify(self, text: str) -> Never:  # noqa: ARG002 - there are none yet
        raise CredentialRefused("Tokens are not accepted here.")


class _NoAccounts:
    async def open_session(self, *_what: object, **_how: object) -> None:
        raise CannotVerify("There are no accounts here.")

    async def close_session(self, *_what: object) -> None:
        raise CannotVerify("There are no accounts here.")

    async def count_failure(self, *_what: object) -> None:
        raise CannotVerify("There are no accounts here.")


class _NoPasswords:
    unknown = ""

    def verify(self, password_hash: str, password: str) -> bool:  # noqa: ARG002 - likewise
        return False


def _no_keys() -> dict[str, Any]:
    return {"keys": []}
