"""
A caller: somebody who was recognised, and what they may ask of which twin.

What may be done is said in one place, `domain.rights`; the gate decides by it, and for what the
door answers itself so does this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec
from aiohttp import web

from contracts.access import OPERATOR, Role, Scope
from contracts.account import PLATFORM
from contracts.deployment import Ceiling
from domain import rights
from services.query_api.problems import CALLER_NOT_ALLOWED, HttpProblem

Kind: TypeAlias = Literal["operator", "person", "key", "visitor"]


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """
    Who asks. Keys and visitors have one *tenant*; people have a role in each of theirs.

    *email* is a person's, for themselves to read.
    *csrf_token* is set for a session's cookie, which a browser sends whoever made it ask.
    *by_token*: they showed a token, and not what it was made from. *is_narrowed*: one with fewer
    scopes than its key has; the gate knows the key only, so such a caller is held back here.
    *deployment*, *origin* and *ceiling* are of a visitor, as its token has them.
    """

    kind: Kind
    id: str = ""
    tenant: str = ""
    scopes: frozenset[Scope] = frozenset()
    roles: Mapping[str, Role] = {}
    is_admin: bool = False
    expires_at_us: int | None = None
    session_hash: bytes = b""
    csrf_token: str = ""
    email: str = ""
    by_token: bool = False
    is_narrowed: bool = False
    deployment: str = ""
    origin: str = ""
    ceiling: Ceiling | None = None

    def reaches(self, tenant: str) -> bool:
        """Whether this twin is any business of theirs; asks nobody, so it tells nothing of it."""
        if self.kind == "operator" or self.is_admin:
            return True
        if self.kind == "person":
            # That the platform exists is no secret, and everybody has an account there.
            return tenant in self.roles or tenant == PLATFORM
        return tenant == self.tenant

    def may(self, tenant: str, noun: str, verb: str) -> bool:
        """Whether they may do this to a twin that they reach."""
        is_admins = self.is_admin and rights.admin_may(noun, verb)
        return is_admins or self._may_without_admin(tenant, noun, verb)

    def principal(self, tenant: str, noun: str, verb: str) -> str:
        """
        Name the principal that asks this, for the last token of the subject; raises HttpProblem
        (403) for what a token leaves out that its key has.

        An admin acts as a member wherever that is enough: the log is to show the weaker of two
        rights. On the platform itself they are the person that the command may be about.
        """
        if self.kind == "operator":
            return OPERATOR
        if self.is_narrowed and not self.may(tenant, noun, verb):
            raise HttpProblem(CALLER_NOT_ALLOWED, f"{noun}.{verb} is not among the token's scopes.")
        if self.is_admin and not self._may_without_admin(tenant, noun, verb):
            is_own = tenant == PLATFORM and not rights.admin_may(noun, verb)
            return f"{'person' if is_own else 'admin'}_{self.id}"
        return f"{self.kind}_{self.id}"

    def _may_without_admin(self, tenant: str, noun: str, verb: str) -> bool:
        match self.kind:
            case "operator":
                return True
            case "person":
                role = self.roles.get(tenant)
                return role is not None and rights.role_may(role, noun, verb)
            case "key":
                return tenant == self.tenant and rights.scopes_may(self.scopes, noun, verb)
            case "visitor":
                return False


CALLER: Final = web.RequestKey("caller", Caller)
