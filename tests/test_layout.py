"""The rules of the house, checked by reading the code."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator
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


@pytest.fixture(autouse=True, scope="module")
def _forgotten() -> Iterator[None]:
    """The trees of all files are half a gigabyte: the tests after these do without."""
    yield
    tree_of.cache_clear()


def faults(rule: Callable[[Path], Iterable[str]], paths: Iterable[Path]) -> list[str]:
    """What the rule says against each file, with the file's name."""
    return [f"{name_of(path)}: {one}" for path in paths for one in rule(path)]


def imported(tree: ast.AST) -> set[str]:
    """Top-level packages that a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # One that is relative is known by its dots, which nobody may import.
            found.add("." * node.level or (node.module or "").split(".")[0])
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
    assert len(TESTS) > 100


def imports_outwards(path: Path) -> Iterator[str]:
    """Third parties likewise."""
    found = imported(tree_of(path))
    yield from (f"imports {one}" for one in found if one == "tests" or one.startswith("."))
    allowed = MAY_IMPORT.get(path.relative_to(ROOT).parts[0])
    if allowed is not None:
        others = found - sys.stdlib_module_names - {"__future__"} - allowed
        yield from (f"imports {one}" for one in sorted(others))


def test_imports_point_inwards():
    """contracts <- domain, contracts <- projections, all <- services."""
    assert faults(imports_outwards, SOURCES) == []


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


def impurities(path: Path) -> Iterator[str]:
    tree = tree_of(path)
    yield from sorted(imported(tree) & sys.stdlib_module_names - PURE_STDLIB)
    yield from sorted(calls(tree) & IMPURE_CALLS)
    waiting = (node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef))
    yield from (f"{node.name} waits" for node in waiting)


def test_core_is_pure():
    """No clock, no chance, no input or output: they come in as arguments, so replay is exact."""
    assert faults(impurities, PURE) == []


def inexact(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield f"line {node.lineno} has a number with a fraction"
        if isinstance(node, ast.Name) and node.id in {"float", "Decimal", "round"}:
            yield f"line {node.lineno} names {node.id}"
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield f"line {node.lineno} divides with a remainder"


def test_core_has_no_float():
    """Money, units and time are whole numbers; one division would make a cent of doubt."""
    assert faults(inexact, CORE) == []


def long_functions(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > LINES_PER_FUNCTION_MAX:
                yield f"{node.name} has {lines} lines"


def test_functions_fit_a_screen():
    """What does not fit is two things."""
    assert faults(long_functions, SOURCES + TESTS) == []


def drawers(path: Path) -> Iterator[str]:
    lines = len(path.read_text().splitlines())
    if lines > LINES_PER_FILE_MAX:
        yield f"{lines} lines"
    yield from {part.removesuffix(".py") for part in path.relative_to(ROOT).parts} & DRAWERS


def test_files_are_about_one_noun():
    """A long file is split by noun, and a drawer for everything is not a noun."""
    assert faults(drawers, SOURCES + TESTS) == []


def silent_modules(path: Path) -> Iterator[str]:
    if path.read_text().strip() and not ast.get_docstring(tree_of(path)):
        yield "does not say what it is"


def test_modules_say_what_they_are():
    """The first line of a module is what a newcomer reads."""
    assert faults(silent_modules, SOURCES) == []


def silent_tests(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name.startswith("test_")
            and not ast.get_docstring(node)
        ):
            yield node.name


def test_every_test_says_why():
    """A test without a reason is deleted by the next person who meets it red."""
    assert faults(silent_tests, TESTS) == []


def sleeps(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            is_time = isinstance(owner, ast.Name) and owner.id == "time"
            if is_time and node.func.attr == "sleep":
                yield f"line {node.lineno} sleeps"
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from ("imports sleep" for alias in node.names if alias.name == "sleep")


def swallows(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        is_broad = node.type is None or (
            isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}
        )
        if is_broad and all(isinstance(one, ast.Pass | ast.Continue) for one in node.body):
            yield f"line {node.lineno} swallows errors"


def test_nobody_blocks_or_swallows():
    """A sleep blocks the loop or hides a race; `except: pass` hides everything."""
    assert faults(sleeps, SOURCES + TESTS) == []
    assert faults(swallows, SOURCES + TESTS) == []


# Spelled in parts, so that this file does not find itself.
FORBIDDEN = {
    "a path of somebody's machine": re.compile("/(wo" + "rk|farm|home/[a-z]+|Users)/"),
    "a package registry's host": re.compile(
        r"(pypi|npmjs|registry\.npmjs|crates|rubygems|docker)\." + "(org|com|io)", re.IGNORECASE
    ),
    "unfinished work": re.compile("TO" + "DO|FIX" + "ME|XX" + "X|NotImplemented" + "Error"),
    "a test that does not run": re.compile(r"mark\.(sk" + "ip|xf" + "ail)|pytest\\.sk" + "ip"),
}


def leftovers(path: Path) -> Iterator[str]:
    text = path.read_text()
    yield from (what for what, pattern in FORBIDDEN.items() if pattern.search(text))


def test_nothing_is_left_in_the_files():
    """What is committed is finished, runs everywhere, and every test of it runs."""
    assert faults(leftovers, SOURCES + TESTS) == []


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (imports_outwards, "import tests"),
        (imports_outwards, "from . import gate"),
        (imports_outwards, "import aiohttp"),
        (impurities, "import random"),
        (impurities, "clock.now()"),
        (impurities, "async def decide(): ..."),
        (inexact, "half = 0.5"),
        (inexact, "half = 1 / 2"),
        (inexact, "half = Decimal(1)"),
        (long_functions, "def f():\n" + "    x\n" * LINES_PER_FUNCTION_MAX),
        (drawers, "x\n" * (LINES_PER_FILE_MAX + 1)),
        (silent_modules, "x = 1"),
        (silent_tests, "def test_it(): ..."),
        (sleeps, "time.sleep(1)"),
        (sleeps, "from time import sleep"),
        (swallows, "try: ...\nexcept: pass"),
        (swallows, "for x in y:\n try: ...\n except Exception: continue"),
        (leftovers, "# TO" + "DO"),
    ],
)
def test_each_rule_finds_what_breaks_it(rule, text, tmp_path, monkeypatch):
    """The control: a rule that finds nothing anywhere is no rule."""
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / "domain" / "broken.py"
    path.parent.mkdir()
    path.write_text(text)

    assert faults(rule, [path])
