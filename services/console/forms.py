"""What a page was sent: fields of a form, and what is said about them when they are not right."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

from services.console.api import ApiProblem

PROOF_FIELD: Final = "csrf"
KEY_FIELD: Final = "command"


class Form(msgspec.Struct, frozen=True):
    """The fields of a form. *key* makes sending it twice, or again after "back", one command."""

    fields: Mapping[str, str] = {}
    lists: Mapping[str, list[str]] = {}

    @property
    def key(self) -> str:
        """The Idempotency-Key that the form was made with."""
        return self.fields.get(KEY_FIELD, "")

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every field with each of its values, in the order of the form."""
        return [(name, value) for name, values in self.lists.items() for value in values]

    @property
    def proof(self) -> str:
        """What only a page of ours knows."""
        return self.fields.get(PROOF_FIELD, "")

    def text(self, name: str) -> str:
        """A field as one text, with the line ends that the log has."""
        return self.fields.get(name, "").replace("\r\n", "\n").strip()

    def texts(self, name: str) -> list[str]:
        """Every value of a field that can be there more than once."""
        return [value for value in self.lists.get(name, []) if value]

    def number(self, name: str) -> int | None:
        """A field as a whole number; None when it is empty. Raises WrongField."""
        said = self.text(name)
        if not said:
            return None
        try:
            return int(said)
        except ValueError:
            raise WrongField(name, "must be a whole number") from None

    def ticked(self, name: str) -> bool:
        """Whether a box is ticked."""
        return name in self.fields


async def read_form(request: web.Request) -> Form:
    """Read a form without files."""
    sent = await request.post()
    fields: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    for name, value in sent.items():
        if isinstance(value, str):
            fields[name] = value
            lists.setdefault(name, []).append(value)
    return Form(fields, lists)


def new_key() -> str:
    """Make the key of a form that is about to be shown."""
    return secrets.token_hex(12)


class WrongField(ApiProblem):
    """A field that cannot even be sent; said like what the API says."""

    def __init__(self, name: str, rule: str) -> None:
        problem: dict[str, Any] = {
            "code": "malformed_command",
            "title": "A field is not right.",
            "detail": f"{name} {rule}.",
            "remedy": "Correct it; everything else that you wrote is still here.",
            "errors": [{"field": name, "rule": rule, "remedy": ""}],
        }
        super().__init__(422, problem)
