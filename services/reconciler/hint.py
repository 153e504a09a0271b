"""
A hint: something has ended at a vendor, so it may be worth to look there sooner.

Hints are kept nowhere and believed by nobody: what is not heard is found in the next round, and
what is said twice is looked for once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts.message import TENANT_PATTERN
from services import logs
from services.embedded.nats_permissions import RECONCILE_HINTS

_IS_TENANT: Final = re.compile(TENANT_PATTERN, re.ASCII)


class Hint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose session it was, and where."""

    tenant: str
    provider_id: str


def encode(hint: Hint) -> bytes:
    """Spell a hint for the bus."""
    return msgspec.json.encode(hint)


async def listen(bus: Client, heard: Callable[[Hint], None]) -> None:
    """Hear every hint from now on; what is none is logged and left."""

    async def take(message: Msg) -> None:
        try:
            hint = msgspec.json.decode(message.data, type=Hint)
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            logs.get().warning("hint_unreadable", reason=str(problem)[:200])
            return
        if _IS_TENANT.fullmatch(hint.tenant) is None:
            logs.get().warning("hint_unreadable", reason="no name of a twin")
            return
        heard(hint)

    await bus.subscribe(RECONCILE_HINTS, cb=take)
