"""
Founding the platform: its log, its first super admin, and the link that lets them in.

`vito up` does it at every start, `vito account admin` does it in production; both are harmless to
repeat. `vito account link` lets anybody else in, whom that makes no more than a person. Each time a
new one-time link is issued; at most five of a person can be open.
"""

from __future__ import annotations

import time
from typing import Final

from contracts.account import (
    PLATFORM,
    FoundPlatform,
    GrantAdmin,
    IssueLink,
    RegisterAccount,
)
from contracts.commands import AnyCommand
from contracts.replies import Receipt
from contracts.views import AccountShown, AccountView
from services import run_file
from services.client import GateClient
from services.client.connection import of_login
from services.client.patience import Patience
from services.client.sender import new_id as new_command_id
from services.failure import Failure
from services.identity.api_key import new_id
from services.identity.random_secret import digest
from services.settings import Settings

LINK_LASTS_US: Final = 24 * 3_600_000_000
DONE: Final = 200
# A first start loads the worker, creates keys and streams; nobody waits on the line.
START_PATIENCE: Final = Patience(deadline_s=30.0, attempt_s=2.0)


class NotFounded(Failure):
    """The gate refused to let somebody in, or to make them a super admin."""


async def admit_admin(platform: GateClient, email: str, link_hash: bytes, now_us: int) -> str:
    """
    Make sure that *email* is a super admin who can sign in with this link; returns the person.

    Founds the platform if nobody did. *platform* is a client of the tenant `platform`.
    """
    person = await _admin(platform, email)
    await _let_in(platform, person, link_hash, now_us)
    return person


async def admit_person(platform: GateClient, email: str, link_hash: bytes, now_us: int) -> str:
    """Make sure that *email* has an account and can sign in with this link; returns the person."""
    account = _with_email(await platform.show(AccountView), email)
    person = account.person if account else await _registered(platform, email, new_id())
    await _let_in(platform, person, link_hash, now_us)
    return person


async def _let_in(platform: GateClient, person: str, link_hash: bytes, now_us: int) -> None:
    await _told(
        platform,
        IssueLink(
            command_id=new_command_id(),
            person=person,
            secret_hash=link_hash,
            expires_at_us=now_us + LINK_LASTS_US,
        ),
    )


async def _admin(platform: GateClient, email: str) -> str:
    person = new_id()
    # Asked first, because a refusal would be one more event at every start.
    shown = await platform.show(AccountView)
    if not shown.total:
        found = FoundPlatform(command_id=new_command_id(), person=person, email=email)
        receipt = await platform.tell(found)
        if receipt.status == DONE:
            return person
        shown = await platform.show(AccountView)  # Somebody else was quicker.
    account = _with_email(shown, email)
    if account is None:
        await _registered(platform, email, person)
    else:
        person = account.person
    if account is None or not account.is_admin:
        await _told(platform, GrantAdmin(command_id=new_command_id(), person=person))
    return person


async def _registered(platform: GateClient, email: str, person: str) -> str:
    await _told(platform, RegisterAccount(command_id=new_command_id(), person=person, email=email))
    return person


def _with_email(shown: AccountView, email: str) -> AccountShown | None:
    return next((one for one in shown.accounts if one.email == email.lower()), None)


async def _told(platform: GateClient, command: AnyCommand) -> Receipt:
    receipt = await platform.tell(command)
    if receipt.status != DONE:
        raise NotFounded(receipt.message, receipt.remedy)
    return receipt


async def step(settings: Settings) -> str | None:
    """The step of `vito up` that runs when all services are ready."""
    run = run_file.read(settings.data_dir)
    if run is None or not run.admin_link:
        return None
    login = of_login(settings.nats("client"))
    async with GateClient.connect(**login, tenant=PLATFORM, patience=START_PATIENCE) as platform:
        link_hash = digest(run.admin_link)
        person = await admit_admin(platform, run.admin_email, link_hash, time.time_ns() // 1_000)
    return f"super admin {run.admin_email} ({person})"
