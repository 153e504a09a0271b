"""
Rendering: a prompt's text with values in place of `{{variables}}`. Pure, strict, in one pass.

    Invariant: a value is never read as text of the prompt. `{{` in a value stays `{{`.

`\\{{` in the text stands for two braces. Whatever is not right is reported, and nothing is rendered
then: a prompt with a hole in it is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from contracts.message import fault_in_line
from contracts.prompt import EXACT_MAX, VARIABLE_PATTERN, Variable, VariableValue
from contracts.questions import Fault

RENDERED_CHARS_MAX: Final = 100_000
FAULTS_MAX: Final = 20
_NAME_SHOWN_CHARS: Final = 60
_CHOICES_SHOWN_CHARS: Final = 200

_OPEN_BRACES: Final = (
    "`{{` must be followed by a variable's name and `}}`; write `\\{{` for two braces"
)
# A literal `{{`, a variable, or braces that open nothing.
_BRACES: Final = re.compile(rf"(\\\{{\{{)|\{{\{{ *({VARIABLE_PATTERN}) *\}}\}}|\{{\{{")

Values: TypeAlias = Mapping[str, VariableValue]


class Rendered(msgspec.Struct, frozen=True):
    """The text, or None and what keeps it from being rendered."""

    text: str | None
    faults: list[Fault]


def render(text: str, variables: Sequence[Variable], values: Values) -> Rendered:
    """Put *values* in place of the variables of *text*; nothing is done when anything is wrong."""
    faults = [*faults_in_template(text, variables), *_faults_in_values(variables, values)]
    if faults:
        return Rendered(None, faults[:FAULTS_MAX])
    spelled = {
        variable.name: _spelled(values.get(variable.name, variable.default))
        for variable in variables
    }
    # Counted before it is put together: a short text may name a long value very often.
    length = len(text) + sum(len(spelled[name]) for name in names_in(text))
    if length > RENDERED_CHARS_MAX:
        rule = f"would have {length} characters once rendered; {RENDERED_CHARS_MAX} are the most"
        return Rendered(None, [Fault("text", rule)])
    return Rendered(_BRACES.sub(lambda at: spelled[at[2]] if at[2] else "{{", text), [])


def names_in(text: str) -> Iterator[str]:
    """Yield the name at each place where a variable stands."""
    return (at[2] for at in _BRACES.finditer(text) if at[2])


def faults_in_template(text: str, variables: Sequence[Variable]) -> list[Fault]:
    """Say what is wrong with a prompt, whatever the values; empty when it can be saved."""
    return [*_faults_in_variables(variables), *_faults_in_text(text, variables)]


def _faults_in_text(text: str, variables: Sequence[Variable]) -> Iterator[Fault]:
    declared = {variable.name for variable in variables}
    missing: set[str] = set()
    for at in _BRACES.finditer(text):
        name = at[2]
        if name is None:
            if at[1] is None:
                yield Fault("text", f"{_place(text, at.start())}: {_OPEN_BRACES}")
        elif name not in declared | missing:
            missing.add(name)
            where = _place(text, at.start())
            yield Fault("text", f"{where}: `{name}` is not declared in variables")


def _place(text: str, start: int) -> str:
    row = text.count("\n", 0, start) + 1
    return f"line {row}, column {start - text.rfind(chr(10), 0, start)}"


def _faults_in_variables(variables: Sequence[Variable]) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, variable in enumerate(variables):
        field = f"variables[{index}]"
        if variable.name in seen:
            yield Fault(f"{field}.name", f"`{variable.name}` is declared twice")
        seen.add(variable.name)
        if variable.required == (variable.default is not None):
            yield Fault(field, f"`{variable.name}` must be required or have a default, not both")
        if (variable.type == "choice") != bool(variable.choices):
            yield Fault(f"{field}.choices", "a choice needs choices, and nothing else has any")
        elif variable.default is not None:
            rule = _why_not(variable, variable.default)
            if rule is not None:
                yield Fault(f"{field}.default", rule)


def _faults_in_values(variables: Sequence[Variable], values: Values) -> Iterator[Fault]:
    declared = {variable.name: variable for variable in variables}
    for name in values:
        if name not in declared:
            yield Fault(f"values.{name[:_NAME_SHOWN_CHARS]}", "is not declared in variables")
    for name, variable in declared.items():
        value = values.get(name)
        if value is None:
            if variable.required:
                yield Fault(f"values.{name}", "is required")
            continue
        rule = _why_not(variable, value)
        if rule is not None:
            yield Fault(f"values.{name}", rule)


def _why_not(variable: Variable, value: VariableValue) -> str | None:
    """Say why a value does not suit a variable, or None when it does."""
    match variable.type:
        case "integer":
            is_exact = isinstance(value, int) and -EXACT_MAX <= value <= EXACT_MAX
            good = is_exact and not isinstance(value, bool)
            return None if good else f"must be a whole number from -{EXACT_MAX} to {EXACT_MAX}"
        case "boolean":
            return None if isinstance(value, bool) else "must be true or false"
        case "choice":
            among = ", ".join(variable.choices)[:_CHOICES_SHOWN_CHARS]
            return None if value in variable.choices else f"must be one of: {among}"
        case _:
            if not isinstance(value, str):
                return "must be a text"
            if len(value) > variable.max_length:
                return f"must have at most {variable.max_length} characters"
            return fault_in_line(value)


def _spelled(value: VariableValue | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
