"""The rules of the house, checked by reading the code."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("contracts", "domain", "projections", "services")
LINES_PER_FUNCTION_MAX = 70
LINES_PER_FILE_MAX = 450

# Who may import what; `services` may import everything.
MAY_IMPORT = {
    "contracts": {"msgspec", "contracts"},
    # idna: a table of names that no clock and no server can change.
    "domain": {"msgspec", "idna", "contracts", "domain"},
    "projections": {"msgspec", "psycopg", "contracts", "projections"},
}
# Of these packages of `services` each may import those before it, and none after it.
HTTP_LAYERS = ("query_api", "http_door", "http_api")
# The standard library without a clock, randomness, or input and output.
PURE_STDLIB = {
    "__future__",
    "bisect",
    "collections",
    "datetime",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "heapq",
    "itertools",
    "math",
    "re",
    "types",
    "string",
    "typing",
    "unicodedata",
    "zoneinfo",
}
# contracts.schema is a program that writes files; the rest of the core is pure.
PROGRAMS = {"contracts/schema.py"}
# Names of the clock and of chance that pure modules bring along.
IMPURE_CALLS = {"now", "today", "utcnow", "time", "time_ns", "uuid4", "random", "open", "print"}
DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers", "base"}

SOURCES = [path for top in PACKAGES for path in sorted((ROOT / top).rglob("*.py"))]
CORE = [path for path in SOURCES if path.relative_to(ROOT).parts[0] in {"contracts", "domain"}]
PURE = [path for path in CORE if str(path.relative_to(ROOT)) not in PROGRAMS]
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def imported(tree: ast.AST) -> set[str]:
    """Top-level packages that a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.add((node.module or "").split(".")[0])
    return found


def calls(tree: ast.AST) -> set[str]:
    """Names of everything that a module calls."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            target = node.func
            if isinstance(target, ast.Name):
                found.add(target.id)
            elif isinstance(target, ast.Attribute):
                found.add(target.attr)
    return found


def test_there_is_something_to_check():
    """The control: a moved folder must not turn these tests off."""
    assert len(CORE) > 25
    assert len(SOURCES) > len(CORE)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_point_inwards(path):
    """contracts <- domain, contracts <- projections, all <- services; third parties likewise."""
    top = path.relative_to(ROOT).parts[0]
    found = imported(tree_of(path))

    assert "tests" not in found
    if top in MAY_IMPORT:
        assert found - sys.stdlib_module_names - {"__future__"} <= MAY_IMPORT[top]


def modules_of_services(tree: ast.AST) -> set[str]:
    """Names right below `services` that a module imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "services":
            inner = (node.module or "").split(".")[1:2]
            names |= set(inner or [alias.name for alias in node.names])
    return names


@pytest.mark.parametrize("layer", HTTP_LAYERS)
def test_arrows_of_the_http_api_run_one_way(layer):
    """Or who reads one of the three has to read all of them."""
    above = set(HTTP_LAYERS[HTTP_LAYERS.index(layer) + 1 :])
    files = sorted((ROOT / "services" / layer).rglob("*.py"))
    found = {name_of(path): modules_of_services(tree_of(path)) & above for path in files}

    assert not {name: names for name, names in found.items() if names}
    assert len(files) > 3


@pytest.mark.parametrize("path", PURE, ids=name_of)
def test_core_is_pure(path):
    """No clock, no chance, no input or output: they come in as arguments, so replay is exact."""
    tree = tree_of(path)

    assert imported(tree) & sys.stdlib_module_names <= PURE_STDLIB
    assert not calls(tree) & IMPURE_CALLS
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)]


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_core_has_no_float(path):
    """Money, units and time are whole numbers; one division would make a cent of doubt."""
    for node in ast.walk(tree_of(path)):
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float | complex))
        assert not (isinstance(node, ast.Name) and node.id in {"float", "Decimal", "round"})
        if isinstance(node, ast.BinOp | ast.AugAssign):
            assert not isinstance(node.op, ast.Div), f"line {node.lineno} divides with a remainder"


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=name_of)
def test_functions_fit_a_screen(path):
    """What does not fit is two things."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= LINES_PER_FUNCTION_MAX, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=name_of)
def test_files_are_about_one_noun(path):
    """A long file is split by noun, and a drawer for everything is not a noun."""
    lines = len(path.read_text().splitlines())

    assert lines <= LINES_PER_FILE_MAX
    assert not {part.removesuffix(".py") for part in path.relative_to(ROOT).parts} & DRAWERS


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_modules_say_what_they_are(path):
    """The first line of a module is what a newcomer reads."""
    assert ast.get_docstring(tree_of(path)) or not path.read_text().strip()


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_every_test_says_why(path):
    """A test without a reason is deleted by the next person who meets it red."""
    silent = [
        node.name
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]

    assert not silent


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=name_of)
def test_nobody_blocks_or_swallows(path):
    """A sleep blocks the loop or hides a race; `except: pass` hides everything."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            is_time = isinstance(owner, ast.Name) and owner.id == "time"
            assert not (is_time and node.func.attr == "sleep"), f"line {node.lineno} sleeps"
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            assert "sleep" not in {alias.name for alias in node.names}
        if isinstance(node, ast.ExceptHandler):
            is_broad = node.type is None or (
                isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}
            )
            says_nothing = all(isinstance(s, ast.Pass | ast.Continue) for s in node.body)
            assert not (is_broad and says_nothing), f"line {node.lineno} swallows errors"


# Spelled in parts, so that this file does not find itself.
FORBIDDEN = {
    "a path of somebody's machine": re.compile("/(wo" + "rk|farm|home/[a-z]+|Users)/"),
    "a package registry's host": re.compile(
        r"(pypi|npmjs|registry\.npmjs|crates|rubygems|docker)\." + "(org|com|io)", re.IGNORECASE
    ),
    "unfinished work": re.compile("TO" + "DO|FIX" + "ME|XX" + "X|NotImplemented" + "Error"),
    "a test that does not run": re.compile(r"mark\.(sk" + "ip|xf" + "ail)|pytest\\.sk" + "ip"),
}


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=name_of)
def test_nothing_is_left_in_the_files(path):
    """What is committed is finished, runs everywhere, and every test of it runs."""
    text = path.read_text()

    assert not [what for what, pattern in FORBIDDEN.items() if pattern.search(text)]
