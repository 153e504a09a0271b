"""
What people, keys and visitors are called on a page: an e-mail address or a label, never only an id.

Names are asked of the public API for whoever may see who belongs to the twin, once a page and no
more than a page of each; everybody else is shown ids, and themselves. The id is in the title.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from contracts.access import OPERATOR
from services import logs
from services.console.api import ApiProblem, Json
from services.console.rendering import NOTHING

if TYPE_CHECKING:
    from services.console.asking import Ask
    from services.console.languages import Words

ASKED_MAX: Final = 500
# What is shown of an id: enough to tell two apart.
_ID_CHARS: Final = 24
_NAMED: Final = Markup('<span class="who" title="{}">{}</span>')


@dataclass(frozen=True, slots=True)
class Names:
    """*emails* of people and *labels* of keys, by principal; *own* is who looks at the page."""

    emails: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    own: str = ""

    def called(self, principal: str | None, words: Words) -> str:
        """Write who that is, with the whole id for whoever points at it."""
        if not principal:
            return NOTHING
        return _NAMED.format(principal, self._name(principal, words))

    def _name(self, principal: str, words: Words) -> str:
        kind = principal.partition("_")[0]
        if principal in self.emails:
            email = self.emails[principal]
            return words("%(email)s (you)", email=email) if principal == self.own else email
        if principal in self.labels:
            return words("key %(label)s", label=self.labels[principal])
        if principal == OPERATOR:
            return words("the operator")
        if kind == "visitor":
            return words("a visitor")
        short = f"{principal[:_ID_CHARS]}\N{HORIZONTAL ELLIPSIS}"
        return principal if len(principal) <= _ID_CHARS else short

    def known(self) -> list[tuple[str, str]]:
        """Return whom somebody can choose from: what to write, and what it is, if not the same."""
        people = [(email, "") for email in sorted(set(self.emails.values()))]
        return [*people, *((key, label) for key, label in sorted(self.labels.items()))]

    def principal(self, said: str) -> str:
        """Return the id of whom somebody means by an e-mail address; what is none stays itself."""
        wanted = said.strip().casefold()
        found = (one for one, email in self.emails.items() if email.casefold() == wanted)
        return next(found, said.strip())


def own_name(me: Json) -> Names:
    """Return what everybody knows: who they are themselves."""
    own, email = str(me.get("principal") or ""), str(me.get("email") or "")
    return Names({own: email} if own and email else {}, {}, own)


async def names_of(ask: Ask) -> Names:
    """Return the names that whoever asks may see in the twin of the page."""
    own = own_name(ask.who.me)
    if not ask.tenant or not ask.may("access"):
        return own
    try:
        members, keys = await asyncio.gather(
            ask.get("members", limit=ASKED_MAX), ask.get("api-keys", limit=ASKED_MAX)
        )
    except ApiProblem as problem:
        # The page is worth showing with ids.
        logs.get().warning("names_not_shown", tenant=ask.tenant, code=problem.code)
        return own
    emails = {f"person_{one['person']}": one["email"] for one in members["items"] if one["email"]}
    labels = {f"key_{one['key_id']}": one["label"] for one in keys["items"] if one["label"]}
    return Names({**emails, **own.emails}, labels, own.own)
