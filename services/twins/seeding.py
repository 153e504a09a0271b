"""
What both demo twins know, brought the way of every customer's document: uploaded, read, approved.

It goes on in the background once everything is ready, so that nobody waits for it: until a document
is approved, its twin answers without it. Who approves is whoever runs the deployment, and only what
has no flag, for nobody has looked at one; what has is left for a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from contracts.knowledge import AddSource, ApproveSource
from contracts.views import KnowledgeView, SourceShown
from services import logs
from services.client import GateClient
from services.client.connection import of_login
from services.client.errors import CannotVerify, NotAllowed, Refused
from services.client.patience import Patience
from services.client.sender import new_id
from services.settings import Settings
from services.twins.knowledge.catalogue import SEEDS, Seed

PATIENCE: Final = Patience(deadline_s=60.0, attempt_s=5.0)
LOOK_S: Final = 0.5
# So many wait to be read at once: a person's own document need not wait behind all of them.
WAITING_MAX: Final = 4
GIVE_UP_S: Final = 900.0
_UNDER_WAY: Final = ("pending", "ingesting")
# The loop keeps only weak references to its tasks.
_tasks: set[asyncio.Task[None]] = set()


async def step(settings: Settings) -> str | None:
    """The step of `vito up` that begins to seed, and does not wait for it."""
    if not settings.demo_knowledge:
        return "left out: VITO_DEMO_KNOWLEDGE says so"
    task = asyncio.create_task(_seed(settings), name="seeding")
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return f"{len(SEEDS)} documents, read and approved in the background"


async def seed(gate: GateClient, seeds: Sequence[Seed]) -> int:
    """Bring what *gate*'s twin does not have yet, and approve it; how many were approved."""
    approved = 0
    known = {one.source for one in (await gate.show(KnowledgeView)).sources}
    waiting = [one for one in seeds if one.tenant == gate.tenant and one.source not in known]
    ours = {one.source for one in waiting}
    while True:
        shown = (await gate.show(KnowledgeView)).sources
        mine = [one for one in shown if one.source in ours]
        for one in mine:
            approved += await _approved(gate, one)
        under_way = sum(one.stage in _UNDER_WAY for one in mine)
        room = max(0, WAITING_MAX - under_way)
        for document in waiting[:room]:
            await _bring(gate, document)
        del waiting[:room]
        if not waiting and not under_way and len(mine) == len(ours):
            return approved
        await asyncio.sleep(LOOK_S)


async def _seed(settings: Settings) -> None:
    login = of_login(settings.nats("client"))
    tenants = dict.fromkeys(one.tenant for one in SEEDS)
    try:
        async with (
            asyncio.timeout(GIVE_UP_S),
            GateClient.connect(**login, tenant="vito", patience=PATIENCE) as gate,
        ):
            done = await asyncio.gather(*(seed(gate.for_tenant(one), SEEDS) for one in tenants))
    except (CannotVerify, NotAllowed, Refused, OSError, TimeoutError) as problem:
        # The next start goes on where this one stopped.
        logs.get().warning("seeding_stopped", kind=type(problem).__name__)
    else:
        logs.get().info("seeded", approved=sum(done))


async def _bring(gate: GateClient, one: Seed) -> None:
    content_hash = await gate.upload_file(await asyncio.to_thread(one.read))
    command = AddSource(
        command_id=new_id(),
        source=one.source,
        kind=one.kind,
        title=one.title,
        location=one.file,
        note=f"demonstration; licence {one.licence}",
        upload=content_hash,
    )
    receipt = await gate.tell(command)
    if receipt.code not in ("source_added", "source_exists"):
        logs.get().warning("seed_refused", source=one.source, code=receipt.code)


async def _approved(gate: GateClient, one: SourceShown) -> bool:
    """Approve a draft of ours that nothing is flagged in; whether it was."""
    if one.stage != "review" or one.draft_hash is None or one.draft_flags:
        return False
    command = ApproveSource(
        command_id=new_id(),
        source=one.source,
        content_hash=one.draft_hash,
        note="demonstration",
    )
    return (await gate.tell(command)).status == 200  # noqa: PLR2004 - as over HTTP
