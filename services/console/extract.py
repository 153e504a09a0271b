"""
Which texts the console can say, and which of them a catalogue lacks.

    .venv/bin/python -m services.console.extract

writes every text that is new into `locale/*.po`, without a translation, drops those that nobody
says any more, and names what is missing. Texts are found in three places:

    templates   what is within `_(...)`
    code        what is said of a fault (`title`, `remedy`, `rule`, WrongField) and names of pages
    said        what comes from the gate: refusals, problems, sentences of the log, words of enums
"""

from __future__ import annotations

import ast
import io
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po
from jinja2 import nodes

from services.console.languages import DEFAULT, LANGUAGES, catalogue_path
from services.console.rendering import environment
from services.console.said import said

_FOLDER: Final = Path(__file__).parent
_TEMPLATES: Final = _FOLDER / "templates"
_OF_TEMPLATES: Final = {"trim_blocks": "true", "lstrip_blocks": "true"}
_HEADER: Final = """\
# What the console says, by what it says in English. `python -m services.console.extract` writes new
# texts into this file; translate them here."""
# What is in the history of the repository anyway.
_OF_HISTORY: Final = tuple(
    f'"{name}'
    for name in (
        "Project-Id-Version",
        "Report-Msgid-Bugs-To",
        "POT-Creation-Date",
        "PO-Revision-Date",
        "Last-Translator",
        "Language-Team",
        "Generated-By",
    )
)
_ENGINE: Final = environment()
# Where a call holds a text: the index of its argument.
_CALLS: Final = {"_": 0, "words": 0, "WrongField": 1, "Page": 1}
_KEYS: Final = frozenset(("title", "detail", "remedy", "rule"))
# Variables that hold a text, and a table whose pairs have one second.
_VARIABLES: Final = frozenset(("rule", "remedy"))
_TABLES: Final = frozenset(("_RULES", "WORDS", "OVERFLOW_WORDS", "SCOPES"))


def texts() -> dict[str, set[str]]:
    """Return every text with the files that say it, named from this folder."""
    found: dict[str, set[str]] = {}
    for text, place in (*_of_templates(), *_of_code(), *said()):
        if any(sign.isalpha() for sign in text):
            found.setdefault(text, set()).add(place)
    return found


def _of_templates() -> Iterator[tuple[str, str]]:
    for file, _line, message, _comments, _context in extract_from_dir(
        _TEMPLATES,
        method_map=[("**.html", "jinja2.ext:babel_extract")],
        options_map={"**.html": _OF_TEMPLATES},
        keywords={"_": None},
    ):
        yield message if isinstance(message, str) else message[0], f"templates/{file}"
    for path in sorted(_TEMPLATES.rglob("*.html")):
        place = f"templates/{path.relative_to(_TEMPLATES)}"
        for call in _ENGINE.parse(path.read_text(encoding="utf-8")).find_all(nodes.Call):
            if getattr(call.node, "name", "") == "_":
                yield from ((text, place) for text in _chosen(call.args[0]))


def _chosen(node: nodes.Node) -> Iterator[str]:
    """Return the texts that an expression of a template chooses from, which Babel passes over."""
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, nodes.CondExpr | nodes.Or):
        for part in node.iter_child_nodes(exclude=("test",)):
            yield from _chosen(part)
    elif isinstance(node, nodes.Getitem):
        yield from _chosen(node.node)
    elif isinstance(node, nodes.Dict):
        for pair in node.items:
            yield from _chosen(pair.value)


def _of_code() -> Iterator[tuple[str, str]]:
    for path in sorted(_FOLDER.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for text in _texts_of(node):
                yield text, path.name


def _texts_of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        yield from (text for key, value in pairs if _text(key) in _KEYS for text in _consts(value))
    elif isinstance(node, ast.Call):
        index = _CALLS.get(_name(node.func))
        if index is not None and len(node.args) > index:
            yield from _consts(node.args[index])
    elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for name, value in _pairs(targets[0], node.value):
            if name in _VARIABLES:
                yield from _consts(value)
            elif name in _TABLES:
                yield from _seconds(value)


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Return what is assigned to which name, one by one where several are."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, its in zip(target.elts, value.elts, strict=True):
            yield from _pairs(one, its)
    else:
        yield _name(target), value


def _seconds(table: ast.expr) -> Iterator[str]:
    """Return what a table has for each entry: its values, or the second of each pair."""
    if isinstance(table, ast.Dict):
        yield from (text for value in table.values for text in _consts(value))
        return
    for node in ast.walk(table):
        if isinstance(node, ast.Tuple) and len(node.elts) == len(("pattern", "text")):
            yield _text(node.elts[1])


def _consts(node: ast.expr) -> Iterator[str]:
    """Return the texts that an expression can be."""
    if isinstance(node, ast.IfExp):
        yield from (*_consts(node.body), *_consts(node.orelse))
    elif text := _text(node):
        yield text


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


# -- catalogues ------------------------------------------------------------------------------


def brought_up(language: str, known: Mapping[str, set[str]]) -> Catalog:
    """Return a language's catalogue with exactly the *known* texts, in order of where they are."""
    with catalogue_path(language).open("rb") as file:
        old = read_po(file, locale=language)
    new = Catalog(language, project="ViTo Twin", fuzzy=False, header_comment=_HEADER)
    for text, places in sorted(known.items(), key=lambda one: (sorted(one[1]), one[0])):
        message = old.get(text)
        new.add(text, message.string if message else "", [(one, 0) for one in sorted(places)])
    return new


def missing(catalogue: Catalog) -> list[str]:
    """Return the texts that have no translation."""
    return [str(one.id) for one in catalogue if one.id and not one.string]


def written(catalogue: Catalog) -> bytes:
    """Write a catalogue as a file, the same for the same texts."""
    file = io.BytesIO()
    write_po(file, catalogue, omit_header=False, include_lineno=False, width=100)
    lines = file.getvalue().decode().splitlines(keepends=True)
    return "".join(one for one in lines if not one.startswith(_OF_HISTORY)).encode()


def main() -> int:
    """Bring every catalogue up to date; returns 1 while texts are missing in one."""
    known, lacks = texts(), 0
    for language in LANGUAGES:
        if language == DEFAULT:
            continue
        catalogue = brought_up(language, known)
        catalogue_path(language).write_bytes(written(catalogue))
        for text in missing(catalogue):
            lacks += 1
            sys.stdout.write(f"{language}: {text}\n")
        told = f"{len(known)} texts, {len(missing(catalogue))} without a translation"
        sys.stdout.write(f"{language}: {told}\n")
    return 1 if lacks else 0


if __name__ == "__main__":
    sys.exit(main())
