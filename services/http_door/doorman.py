"""
The doorman: which twin is whose business, who may ask what of it, and that a refusal is on record.

A denial is written down where whoever reads it may know of it. If the twin is the caller's business
that is its own log, and where the gate has refused it has done so already. To a stranger not even
the existence of a twin is told, so what they tried is written into a log of theirs, whatever there
is: a key's or visitor's own twin, for people the platform. What it says of the other twin is the
name that they have sent.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from contracts.account import PLATFORM
from domain import rights
from services.client.errors import CannotVerify
from services.http_door.caller import Caller
from services.http_door.commands import refused
from services.http_door.gate_line import Gate
from services.identity.denials import Denial, Denials
from services.query_api import parameters
from services.query_api.problems import (
    CALLER_NOT_ALLOWED,
    CALLER_UNKNOWN,
    GATE_UNAVAILABLE,
    TENANT_UNKNOWN,
    HttpProblem,
    Kind,
    KnownCallerRefused,
)

DENIALS: Final = (CALLER_UNKNOWN, CALLER_NOT_ALLOWED)


class Doorman:
    """Stands at one server's door. *kinds*: the problems with which it turns somebody away."""

    def __init__(self, gate: Gate, denials: Denials, kinds: Collection[Kind] = DENIALS) -> None:
        self._gate = gate
        self._denials = denials
        self._kinds = kinds

    def check_tenant(self, caller: Caller, tenant: str | None, *, is_open_to_all: bool) -> None:
        """Refuse a twin that is none of the caller's business, or whose name no twin can have."""
        if tenant is None:
            return
        is_name = parameters.IS_TENANT.fullmatch(tenant) is not None
        if not caller.reaches(tenant) and not (is_open_to_all and is_name):
            # The same words whatever was asked of whichever twin, and no instance in them.
            raise HttpProblem(CALLER_UNKNOWN, CALLER_UNKNOWN.title)
        if not is_name:
            # Nothing behind this line need fear for what it puts the name into.
            raise HttpProblem(TENANT_UNKNOWN, "No twin of this name has a log here.")

    async def check_right(self, caller: Caller, tenant: str, noun: str, verb: str) -> None:
        """Refuse who may not do this to the twin; raises HttpProblem (403)."""
        if caller.may(tenant, noun, verb):
            return
        sees_with_broken_glass = verb == rights.QUESTION and rights.role_may("owner", noun)
        if not (caller.is_admin and sees_with_broken_glass):
            raise HttpProblem(CALLER_NOT_ALLOWED, f"{noun}.{verb} is not for you here.")
        # Whether a glass is broken only the gate knows, to the moment; it records a denial itself.
        try:
            reply = await self._gate.show(tenant, noun, caller.principal(tenant, noun, verb))
        except CannotVerify as unknown:
            raise HttpProblem(GATE_UNAVAILABLE, f"No answer: {unknown.reason}.") from None
        if "command_id" in reply:
            raise refused(reply)

    def note(
        self, caller: Caller, tenant: str | None, asked: tuple[str, str], problem: HttpProblem
    ) -> None:
        """Have a refusal written down, unless it is no denial, or the gate has done so."""
        if problem.kind not in self._kinds or problem.is_recorded:
            return
        known = tenant or ""
        log = known if known and caller.reaches(known) else home_of(caller)
        principal = f"{caller.kind}_{caller.id}" if caller.id else caller.kind
        self._report(log, principal, known, asked, problem)

    def note_over(
        self, tenant: str | None, asked: tuple[str, str], problem: KnownCallerRefused
    ) -> None:
        """Have it written down that somebody has shown what was right once."""
        self._report(problem.log, problem.principal, tenant or "", asked, problem)

    def _report(
        self, log: str, principal: str, tenant: str, asked: tuple[str, str], problem: HttpProblem
    ) -> None:
        is_elsewhere = tenant != log and parameters.IS_TENANT.fullmatch(tenant) is not None
        self._denials.note(
            Denial(
                log,
                principal,
                self._denials.door,
                *asked,
                problem.kind.code,
                int(problem.kind.status),
                tenant if is_elsewhere else "",
            )
        )


def home_of(caller: Caller) -> str:
    """Return the log that is a caller's own."""
    return caller.tenant or PLATFORM
