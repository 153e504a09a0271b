"""
JSON of an API: objects become rows that name what they say, under the keys that lead to them.

    {"team": {"name": "Boca", "players": [{"name": "Ana", "goals": 3}, …]}}

    # team            ## players
    name: Boca        name: Ana · goals: 3
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from services.knowledge.document import Reading
from services.knowledge.fetched import Fetched
from services.knowledge.problem import IngestionProblem
from services.knowledge.reading.charset import characters_of
from services.knowledge.reading.limits import Limits
from services.knowledge.reading.media_type import JSON
from services.knowledge.reading.notebook import Notebook

# Text longer than this is prose, and stands for itself.
_VALUE_MAX: Final = 400
_ROW_MAX: Final = 1_200
_TITLES: Final = ("title", "titulo", "título", "name", "nombre", "headline")
# Brackets outside of strings; strings are passed over.
_BRACKETS: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


def reading_of(fetched: Fetched, limits: Limits) -> Reading:
    """Return what a JSON document says; raises IngestionProblem."""
    text = characters_of(fetched.body, fetched.charset)
    _check_depth(text, limits.depth_max)
    try:
        value = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except ValueError as error:
        at = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise IngestionProblem("damaged", f"It is no valid JSON{at}.") from None
    notebook = Notebook(limits)
    _take_down(notebook, value, 1)
    return notebook.reading(JSON, fetched.title or _title(value))


def _check_depth(text: str, most: int) -> None:
    depth = 0
    for found in _BRACKETS.finditer(text):
        if found[0] in "[{":
            depth += 1
            if depth > most:
                raise IngestionProblem("too_deep", f"It is nested more than {most} levels deep.")
        elif found[0] in "]}":
            depth -= 1


def _take_down(notebook: Notebook, value: Any, level: int) -> None:
    if isinstance(value, dict):
        _take_down_object(notebook, value, level)
    elif isinstance(value, list):
        _take_down_list(notebook, value, level)
    else:
        _take_down_row(notebook, [("", value)])


def _take_down_object(notebook: Notebook, value: dict[str, Any], level: int) -> None:
    """First what it says itself, then what it holds, each under its key."""
    plain = [(key, one) for key, one in value.items() if not isinstance(one, dict | list)]
    _take_down_row(notebook, plain)
    for key, inner in value.items():
        if isinstance(inner, dict | list) and inner:
            notebook.heading(_words(key), level)
            _take_down(notebook, inner, level + 1)


def _take_down_list(notebook: Notebook, value: list[Any], level: int) -> None:
    plain = [one for one in value if not isinstance(one, dict | list)]
    for one in plain:
        if one not in {None, ""}:
            notebook.add("list_item", _spelled(one))
    for inner in value:
        if isinstance(inner, dict) and _is_flat(inner):
            _take_down_row(notebook, list(_flat(inner)))
        elif isinstance(inner, dict | list):
            if isinstance(inner, dict) and (name := _title(inner)):
                notebook.heading(name, level)
            _take_down(notebook, inner, level + 1)


def _is_flat(value: dict[str, Any]) -> bool:
    """Whether an object is one row: at most objects of plain values inside."""
    return all(
        not isinstance(one, list | dict)
        or (isinstance(one, dict) and not any(isinstance(v, list | dict) for v in one.values()))
        for one in value.values()
    )


def _flat(value: dict[str, Any]) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, one in value.items():
        if isinstance(one, dict):
            pairs += [(f"{key} {inner}", deep) for inner, deep in one.items()]
        else:
            pairs.append((key, one))
    return pairs


def _take_down_row(notebook: Notebook, pairs: list[tuple[str, Any]]) -> None:
    """`key: value · key: value`, cut into rows of a readable length; prose by itself."""
    row: list[str] = []
    prose: list[str] = []
    for key, value in pairs:
        if value is None or value == "":
            continue
        spelled = _spelled(value)
        said = f"{_words(key)}: {spelled}" if key else spelled
        if len(spelled) > _VALUE_MAX:
            prose.append(said)
            continue
        if row and sum(map(len, row)) + len(said) > _ROW_MAX:
            notebook.add("table_row", " · ".join(row))
            row = []
        row.append(said)
    if row:
        notebook.add("table_row", " · ".join(row))
    for said in prose:
        notebook.add("paragraph", said)


def _title(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    found = (value.get(key) for key in _TITLES)
    return next((one for one in found if isinstance(one, str) and 0 < len(one) <= _VALUE_MAX), "")


def _words(key: str) -> str:
    """`home_team` and `homeTeam` as words."""
    return re.sub(r"(?<=[a-z\d])(?=[A-Z])", " ", key.replace("_", " ")).strip()


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(str(value).split())
