"""What commands of `vito` have in common that tell the gate something: who says no, and why."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import uvloop

from contracts.replies import Receipt
from contracts.spelling import in_words
from services import logs, run_file
from services.client import GateClient
from services.client.connection import of_login
from services.failure import Failure
from services.settings import Settings

DONE = 200


class NotDone(Failure):
    """The gate refused, and says why."""


def settings_of(command: str, data_dir: Path | None) -> Settings:
    """Return the settings of a command: of the environment, and of what `vito up` runs there."""
    env = dict(os.environ)
    if data_dir is not None:
        env["VITO_DATA_DIR"] = str(data_dir)
    logs.configure(command, level="error")
    return run_file.settings(env)


Telling: TypeAlias = Callable[[GateClient], Awaitable[Receipt]]


def tell(settings: Settings, tenant: str, what: Telling) -> Receipt:
    """Tell the gate something about a twin and return what was done; raises NotDone."""
    receipt = answer(settings, tenant, what)
    if receipt.status != DONE:
        raise NotDone(f"{receipt.code}: {receipt.message}", receipt.remedy)
    return receipt


def answer(settings: Settings, tenant: str, what: Telling) -> Receipt:
    """Tell the gate something about a twin and return its answer, which may be a refusal."""

    async def told() -> Receipt:
        async with GateClient.connect(**of_login(settings.nats("client")), tenant=tenant) as gate:
            return await what(gate)

    try:
        return uvloop.run(told())
    except ValueError as broken:
        # The contract's own words about a field, which never repeat a value.
        raise NotDone(f"{in_words(str(broken))}.", "correct it and try again.") from None
