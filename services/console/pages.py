"""
Which pages there are, and who is offered which.

A page is offered to those who may ask for what it shows; what a button does is offered to those who
may do it. Both are looked up in `domain.rights`, where the gate looks as well, so the console
cannot offer what the gate refuses for the person's role.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from aiohttp import web

if TYPE_CHECKING:
    from services.console.asking import Ask

Handler: TypeAlias = Callable[["Ask"], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Page:
    """
    One page of a twin.

    *path* follows `/console/{tenant}`; *name* is the English of the navigation, empty for a page
    that is reached from another; *noun* and *verb* are what somebody must be able to ask for.
    *actions* are forms, by the path that follows the page's own and `/do/`.

    *within* are the pages that are reached from this one (name: empty). Their paths follow this
    page's own and may hold variables: `versions/{version}`, read with `ask.part("version")`. Each
    has actions of its own, whose refusals show that page again. A page may also answer with a file.

    *takes_files* names the actions whose form brings a file, as its last field: `ask.form.file`.
    *names_people* is for a page that says who did something: `called(principal)` knows names there.
    """

    path: str
    name: str
    noun: str
    show: Handler
    actions: dict[str, Handler]
    verb: str = "show"
    within: tuple[Page, ...] = ()
    takes_files: frozenset[str] = frozenset()
    names_people: bool = False

    def below(self, path: str) -> list[tuple[str, Page]]:
        """Return this page and all within it, each with its whole path below *path*."""
        own = "/".join(filter(None, (path, self.path)))
        return [(own, self)] + [found for page in self.within for found in page.below(own)]
