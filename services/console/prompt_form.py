"""A prompt as a form writes it: its text, and a row for each declared variable."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from contracts.prompt import VARIABLES_MAX, VariableType
from services.console.api import Json
from services.console.forms import Form

TYPES: Final[tuple[VariableType, ...]] = ("string", "integer", "boolean", "choice")
# Empty rows for what is to be declared; a button makes more.
SPARE_ROWS: Final = 2
MORE_ROWS: Final = 3
_LENGTH: Final = 200
_IS_NUMBER: Final = re.compile(r"-?[0-9]{1,17}")
_ROW: Final = re.compile(r"variables\[([0-9]{1,3})\]\.name")


@dataclass(frozen=True, slots=True)
class Row:
    """A variable as it is written into the form."""

    name: str = ""
    type: str = "string"
    required: bool = False
    default: str = ""
    max_length: str = str(_LENGTH)
    choices: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written into it."""
        return not (self.name or self.default or self.choices)


@dataclass(frozen=True, slots=True)
class Draft:
    """
    What is in the editor. *base* is the version that it was made from, *expected* the latest one
    that its author has seen; 0: none.
    """

    text: str = ""
    variables: list[Row] = field(default_factory=list)
    base: int = 0
    expected: int = 0
    note: str = ""

    def fields(self) -> Json:
        """Return the command's."""
        return {
            "text": self.text,
            "variables": [variable(row) for row in self.variables],
            "base_version": self.base,
            "expected_version": self.expected,
            "note": self.note,
        }


def rows_of(variables: Iterable[Json]) -> list[Row]:
    """Write the variables of a version into rows."""
    return [
        Row(
            one["name"],
            one.get("type", "string"),
            bool(one.get("required")),
            _spelled(one.get("default")),
            str(one.get("max_length", _LENGTH)),
            "\n".join(one.get("choices", [])),
        )
        for one in variables
    ]


def read_draft(form: Form) -> Draft:
    """Read what was sent; numbers that are none become 0, which the gate refuses as too old."""
    return Draft(
        form.text("text"),
        [row for row in _rows(form) if not row.is_empty],
        _number(form.text("base_version")),
        _number(form.text("expected_version")),
        form.text("note"),
    )


def _rows(form: Form) -> list[Row]:
    found = sorted(int(at[1]) for name in form.fields if (at := _ROW.fullmatch(name)))
    return [
        Row(
            form.text(f"variables[{index}].name"),
            form.text(f"variables[{index}].type") or "string",
            form.ticked(f"variables[{index}].required"),
            form.text(f"variables[{index}].default"),
            form.text(f"variables[{index}].max_length") or str(_LENGTH),
            form.text(f"variables[{index}].choices"),
        )
        for index in found[: VARIABLES_MAX + MORE_ROWS]
    ]


def variable(row: Row) -> Json:
    """Return a row as the command has it; what cannot be read is left for the gate to refuse."""
    made: Json = {"name": row.name, "type": row.type, "required": row.required}
    if row.type == "string":
        made["max_length"] = value("integer", row.max_length)
    if row.type == "choice":
        made["choices"] = [one.strip() for one in row.choices.split("\n") if one.strip()]
    # An empty text is a default; an empty number is none.
    if row.default or (row.type == "string" and not row.required):
        made["default"] = value(row.type, row.default)
    return made


def value(type_: str, text: str) -> str | int | bool:
    """Read the value of a variable; what does not fit stays a text, which is refused as one."""
    if type_ == "integer" and _IS_NUMBER.fullmatch(text):
        return int(text)
    if type_ == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def notation(one: Json) -> str:
    """Write a variable in one line, as `vito prompt save --variable` reads it."""
    choices = "|".join(one.get("choices") or [])
    kind = one.get("type", "string") + (f"({choices})" if choices else "")
    default = one.get("default")
    return f"{one['name']}:{kind}" + ("" if default is None else f"={_spelled(default)}")


def _spelled(found: object) -> str:
    if isinstance(found, bool):
        return "true" if found else "false"
    return "" if found is None else str(found)


def _number(text: str) -> int:
    return int(text) if _IS_NUMBER.fullmatch(text) else 0
