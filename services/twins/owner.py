"""
The Owner of both demo twins: whom `vito up` lets into the console, to see all of what one can do.

A super admin runs the platform and reads no prompt, no identity and no document; on a machine where
one has just started everything, that leaves most pages shut. This Owner comes the way of every
other: invited, and let in by a one-time link, new at each start.
"""

from __future__ import annotations

import time

from contracts.access import AcceptInvitation, InviteMember
from contracts.account import PLATFORM
from contracts.commands import AnyCommand
from contracts.views import AccessView
from services import run_file
from services.client import GateClient
from services.client.connection import of_login
from services.client.sender import new_id as new_command_id
from services.failure import Failure
from services.identity.api_key import new_id
from services.identity.founding import START_PATIENCE, admit_person
from services.identity.random_secret import digest, generate
from services.settings import Settings
from services.twins import TWINS

DONE = 200
ACCEPTED_WITHIN_US = 60_000_000


class NotOwned(Failure):
    """The gate refused to let the Owner of a demo twin in."""


async def admit_owner(gate: GateClient, email: str, person: str, now_us: int) -> bool:
    """Make *person* an Owner of *gate*'s twin if nobody is a member yet; says whether it did."""
    # Whoever has changed the members since, of a twin that is theirs by now, meant it.
    if (await gate.show(AccessView)).members:
        return False
    invitation_id = new_id()
    secret, secret_hash = generate()
    await _told(
        gate,
        InviteMember(
            command_id=new_command_id(),
            invitation_id=invitation_id,
            email=email,
            role="owner",
            secret_hash=secret_hash,
            expires_at_us=now_us + ACCEPTED_WITHIN_US,
        ),
    )
    accepted = AcceptInvitation(
        command_id=new_command_id(), invitation_id=invitation_id, secret=secret, person=person
    )
    await _told(gate, accepted)
    return True


async def _told(gate: GateClient, command: AnyCommand) -> None:
    receipt = await gate.tell(command)
    if receipt.status != DONE:
        raise NotOwned(receipt.message, receipt.remedy)


async def step(settings: Settings) -> str | None:
    """The step of `vito up` that runs once the twins are there and the platform is founded."""
    run = run_file.read(settings.data_dir)
    if run is None or not run.owner_link:
        return None
    login, now_us = of_login(settings.nats("client")), time.time_ns() // 1_000
    async with GateClient.connect(**login, tenant=PLATFORM, patience=START_PATIENCE) as platform:
        person = await admit_person(platform, run.owner_email, digest(run.owner_link), now_us)
        for twin in TWINS:
            await admit_owner(platform.for_tenant(twin.tenant), run.owner_email, person, now_us)
    return f"{run.owner_email} ({person})"
