"""
Accepting an invitation with its code alone: account, password and membership in one step.

    the code -> the invitation -> the account of its address, made if there is none -> the twin

The code is worth as much as the mailbox that it was sent to. So who has no account gets one, with
the password that comes along; who has one must show its password, or whoever reads an old mail
could take it over. The account is in the platform's log and the membership in the twin's, so a
crash may come between the two: then the same request is sent again, and goes on where the first
one ended.
"""

from __future__ import annotations

import hmac
from typing import Annotated, Final

import msgspec
from aiohttp import web

from contracts.access import AcceptInvitation, Role
from domain.identity_refusals import (
    ACCESS_FULL,
    ALREADY_MEMBER,
    INVITATION_EXPIRED,
    TOO_MANY_ACCOUNTS,
)
from services import logs
from services.client.errors import CannotVerify as NotAnswered
from services.http_door import body, commands, cross_site
from services.http_door.endpoint import Endpoint, Handler
from services.http_door.gate_line import Gate, Reply
from services.http_door.opening import CannotVerify, SignInNotPossible, asked
from services.http_door.sign_in import FORM, SignIn, SignInParts
from services.identity.api_key import new_id
from services.identity.directory import InvitationRecord
from services.identity.random_secret import digest
from services.query_api.problems import (
    CANNOT_VERIFY,
    CROSS_SITE_REFUSED,
    IDENTITY_UNAVAILABLE,
    INVITATION_REFUSED,
    OVERLOADED,
    PASSWORD_MISSING,
    SIGN_IN_REFUSED,
    SIGN_IN_SLOWED,
    HttpProblem,
    of_refusal,
)

_GRANTED: Final = 200


class Acceptance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody who is invited shows."""

    code: Annotated[
        str,
        msgspec.Meta(
            pattern="^[a-z0-9]{12,32}\\.[0-9A-Za-z]{43}$(?!\\n)",
            description="the code of the invitation, whole",
            examples=["a1b2c3d4e5f6." + "0" * 43],
        ),
    ]
    password: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=1_024,
            description="that of the account with the address that was invited; who has none yet"
            " chooses it here, 12 to 128 characters",
        ),
    ]

    def __repr__(self) -> str:
        return "Acceptance([hidden])"


class Joined(msgspec.Struct, frozen=True):
    """They belong to the twin, and sign in with the e-mail address and the password."""

    tenant: str
    person: str
    email: str
    role: Role


ACCEPT: Final = Endpoint(
    "POST",
    "/v1/invitations/accept",
    "acceptInvitation",
    "Accept an invitation with its code; who has no account yet gets one.",
    Joined,
    Acceptance,
    problems=(
        *FORM,
        INVITATION_REFUSED,
        SIGN_IN_REFUSED,
        SIGN_IN_SLOWED,
        PASSWORD_MISSING,
        CROSS_SITE_REFUSED,
        OVERLOADED,
        IDENTITY_UNAVAILABLE,
        CANNOT_VERIFY,
    ),
    problem_model=commands.CommandProblem,
    refusals=(INVITATION_EXPIRED, ALREADY_MEMBER, ACCESS_FULL, TOO_MANY_ACCOUNTS),
    open=True,
)


class Invitations:
    """Lets people in who are invited."""

    def __init__(self, parts: SignInParts, signing_in: SignIn, gate: Gate) -> None:
        self._parts = parts
        self._signing_in = signing_in
        self._gate = gate

    def handlers(self) -> dict[Endpoint, Handler]:
        """Who answers."""
        return {ACCEPT: self._accept}

    async def _accept(self, request: web.Request) -> web.StreamResponse:
        cross_site.check_origin(request, must_say=False)
        said = body.checked(await body.read(request), Acceptance)
        found, address = await self._shown(request, said.code)
        person = await self._person(request, found, said.password)
        reply = await self._decided(found, said.code, person)
        if reply["status"] != _GRANTED:
            raise _why_not(reply)
        await self._signing_in.opening.joined(person, found.tenant)
        logs.get().info("invitation_accepted", tenant=found.tenant, person=person, remote=address)
        joined = Joined(found.tenant, person, found.email, found.role)
        return web.Response(
            body=msgspec.json.encode(joined),
            content_type="application/json",
            headers={"Vito-Position": str(reply["position"])},
        )

    async def _shown(self, request: web.Request, code: str) -> tuple[InvitationRecord, str]:
        """Find the invitation that a code belongs to; who guesses must wait, longer each time."""
        invitation_id, _, secret = code.partition(".")
        address = self._signing_in.attempts.begin(request, invitation_id)
        found = await asked(self._parts.directory.invitation(invitation_id))
        # One that nobody knows is compared like one that somebody has sent.
        expected = found.secret_hash if found else bytes(32)
        is_right = hmac.compare_digest(expected, digest(secret))
        if found is None or not is_right or found.state == "withdrawn":
            logs.get().warning("invitation_refused", remote=address)
            raise _refused()
        self._signing_in.attempts.was_right(address, invitation_id)
        return found, address

    # -- whose it is -----------------------------------------------------------------

    async def _person(self, request: web.Request, found: InvitationRecord, password: str) -> str:
        """Say who accepts, and make the account of somebody who has none."""
        account = await asked(self._parts.directory.account_by_email(found.email))
        if account is None:
            made = await self._registered(found, password)
            if made is not None:
                return made
            # Somebody was quicker, or the tables are late.
            account = await asked(self._signing_in.opening.account(found.email))
        if account is None or account.locked:
            raise _refused()
        if not account.password_hash:
            detail = f"The account of {found.email} has no password to show."
            raise HttpProblem(PASSWORD_MISSING, detail)
        await self._signing_in.compare(request, account, password, field="password")
        return account.person

    async def _registered(self, found: InvitationRecord, password: str) -> str | None:
        """Make the account; None when there is one already."""
        # Before there is an account: nothing is left of what comes to nothing.
        if found.state != "open":
            raise _refused()
        if self._parts.clock() >= found.expires_at_us:
            raise of_refusal(INVITATION_EXPIRED)
        password_hash = await self._signing_in.hashed(password, field="password")
        person = new_id()
        try:
            is_new = await self._parts.accounts.register(person, found.email, password_hash)
        except SignInNotPossible as refused:
            is_full = str(refused) == TOO_MANY_ACCOUNTS.code
            raise (of_refusal(TOO_MANY_ACCOUNTS) if is_full else _refused()) from None
        except CannotVerify as unknown:
            raise HttpProblem(CANNOT_VERIFY, str(unknown)) from None
        return person if is_new else None

    # -- the twin --------------------------------------------------------------------

    async def _decided(self, found: InvitationRecord, code: str, person: str) -> Reply:
        command = AcceptInvitation(
            # The same each time: who asks again, because an answer was lost, gets that answer.
            command_id=f"accept-{digest(code).hex()[:32]}",
            invitation_id=found.invitation_id,
            secret=code.partition(".")[2],
            person=person,
        )
        try:
            return await self._gate.command(found.tenant, command, f"person_{person}")
        except NotAnswered as unknown:
            raise HttpProblem(CANNOT_VERIFY, f"No answer: {unknown.reason}.") from None


def _why_not(reply: Reply) -> HttpProblem:
    """Say what the gate has said to somebody invited; what it tells strangers is no news here."""
    is_said = reply["code"] in commands.OF_THE_INVITED or reply["status"] == CANNOT_VERIFY.status
    return commands.refused(reply) if is_said else _refused()


def _refused() -> HttpProblem:
    return HttpProblem(
        INVITATION_REFUSED,
        "The code is wrong, or it was used or withdrawn, or its account cannot be used now.",
    )
