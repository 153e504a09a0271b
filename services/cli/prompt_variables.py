"""
Variables and their values, as somebody types them.

    user_name:string                       required
    tier:choice(free|pro)=free             one of two, free without a value
    goals:integer=0   vip:boolean=false    user_name:string(80)   at most 80 characters
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from contracts.prompt import Variable, VariableValue
from contracts.spelling import in_words
from services.failure import Failure

_SPECIFICATION = re.compile(
    r"(?P<name>[^:=()]+):(?P<type>string|integer|boolean|choice)"
    r"(?:\((?P<within>[^()]*)\))?(?:=(?P<default>.*))?",
    re.DOTALL,
)
_SPELLED = {"true": True, "false": False}


def variable_in(text: str) -> Variable:
    """Read a declaration; raises Failure that says what is wrong with it."""
    found = _SPECIFICATION.fullmatch(text)
    if found is None:
        raise Failure(
            f"{text!r} declares no variable.",
            "write name:type or name:type=default, such as tier:choice(free|pro)=free.",
        )
    kind, within, default = found["type"], found["within"], found["default"]
    fields: dict[str, object] = {"name": found["name"], "type": kind}
    if kind == "choice":
        fields["choices"] = (within or "").split("|")
    elif within is not None:
        fields["max_length"] = int(within) if within.isdecimal() else within
    if default is None:
        fields["required"] = True
    else:
        fields["default"] = _typed(kind, default)
    try:
        return msgspec.convert(fields, Variable)
    except msgspec.ValidationError as problem:
        why = in_words(str(problem))
        raise Failure(f"{text!r} declares no variable: {why}.", "correct it.") from problem


def values_in(
    assignments: Iterable[str], variables: Sequence[Variable]
) -> dict[str, VariableValue]:
    """Read `name=value` as the variables' types say; the gate says what does not fit."""
    kinds = {variable.name: variable.type for variable in variables}
    values: dict[str, VariableValue] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals:
            raise Failure(f"{text!r} gives no value.", "write name=value.")
        values[name] = _typed(kinds.get(name, "string"), value)
    return values


def _typed(kind: str, text: str) -> VariableValue:
    if kind == "boolean":
        return _SPELLED.get(text, text)
    if kind == "integer" and re.fullmatch("-?[0-9]{1,16}", text):
        return int(text)
    return text
