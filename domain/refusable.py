"""
Refusable: what each command can be refused with.

Nobody keeps a list of it, or it would be wrong by the next rule. It is read from the code that
decides: every refusal that is named by a command's own rule, or by a function of the domain that
the rule uses, directly or through others. So none is left out; a refusal that a shared function can
give, and for this command never does, is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

from contracts.commands import AnyCommand
from contracts.secret import OpenSecret
from domain import gate, rights, vault
from domain.refusal import Refusal
from domain.refusals import CANNOT_VERIFY, COMMAND_ID_REUSED, OVERLOADED, TWIN_UNKNOWN
from domain.vault_refusals import SECRET_UNREADABLE, TWIN_ERASED

# Of whatever is asked, before or instead of a rule of its own.
_OF_ALL: Final = (TWIN_UNKNOWN, TWIN_ERASED, COMMAND_ID_REUSED, OVERLOADED, CANNOT_VERIFY)
# Opening again is no new decision, and the box is opened when its content is sent.
_OF_OPENING: Final = (vault.reopen, SECRET_UNREADABLE)
_DOMAIN: Final = f"{__name__.partition('.')[0]}."


@cache
def refusals_of(command: type[AnyCommand]) -> tuple[Refusal, ...]:
    """Return every refusal that a kind of command can meet, by status and code."""
    rule = gate.rule_of(command)
    named = [
        *_OF_ALL,
        *(_OF_OPENING if command is OpenSecret else ()),
        *(() if rule is None else (rule, gate.why_elsewhere(command))),
        rights.why_not_asked,
    ]
    found = {refusal for one in named for refusal in _refusals_in(one, set())}
    return tuple(sorted(found, key=lambda one: (one.status, one.code)))


def _refusals_in(value: Any, seen: set[int]) -> Iterator[Refusal]:
    """Yield the refusals that a value is, holds, or names and uses. *seen* are visited already."""
    if isinstance(value, Refusal):
        yield value
    elif isinstance(value, dict):
        yield from _refusals_in(tuple(value.values()), seen)
    elif isinstance(value, tuple | list | frozenset):
        for one in value:
            yield from _refusals_in(one, seen)
    elif _is_ours(value) and id(value) not in seen:
        seen.add(id(value))
        for used in _used_by(value):
            yield from _refusals_in(used, seen)


def _is_ours(value: Any) -> bool:
    return isinstance(value, FunctionType) and value.__module__.startswith(_DOMAIN)


def _used_by(function: Callable[..., Any]) -> Iterator[Any]:
    """Yield what a function names of its module, of modules that it names, and of its closure."""
    assert isinstance(function, FunctionType)
    names = frozenset(_names(function.__code__))
    for name in names:
        value = function.__globals__.get(name)
        if isinstance(value, ModuleType):
            if value.__name__.startswith(_DOMAIN):
                yield from (vars(value)[of] for of in names if of in vars(value))
        else:
            yield value
    for cell in function.__closure__ or ():
        yield cell.cell_contents


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
