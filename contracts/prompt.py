"""
The system prompt: what the twin is told to be. Nothing of it stands in an agent's code.

Every save is a new version that nobody can change; one version is live. `{{user_name}}` in the text
stands for a declared variable (spaces within the braces are allowed), `\\{{` for two braces.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from contracts.message import (
    Command,
    Event,
    Note,
    Part,
    UnixUs,
    Version,
    check_lines,
    check_prose,
    line,
    prose,
    whole,
)

PROMPT_CHARS_MAX: Final = 32_000
VARIABLES_MAX: Final = 50
VALUE_CHARS_MAX: Final = 2_000
VARIABLE_PATTERN: Final = r"[a-z][a-z0-9_]{0,39}"
# Every language holds whole numbers up to here exactly.
EXACT_MAX: Final = 2**53

VariableType: TypeAlias = Literal["string", "integer", "boolean", "choice"]
VariableName: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=whole(VARIABLE_PATTERN), description="as it stands in the braces")
]
VariableValue: TypeAlias = (
    Annotated[int, msgspec.Meta(ge=-EXACT_MAX, le=EXACT_MAX)]
    | bool
    | Annotated[str, msgspec.Meta(max_length=VALUE_CHARS_MAX)]
)
PromptText: TypeAlias = Annotated[str, prose(PROMPT_CHARS_MAX, min_length=1)]
SavedVersion: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]


class Variable(Part, frozen=True, kw_only=True):
    """
    A variable of a prompt. It is *required*, or has a *default*; never both, never neither.

    *max_length*, in characters, bounds a string; *choices* are the values of a choice.
    """

    name: VariableName
    type: VariableType = "string"
    required: bool = False
    default: VariableValue | None = None
    max_length: Annotated[int, msgspec.Meta(ge=1, le=VALUE_CHARS_MAX)] = 200
    choices: Annotated[list[Annotated[str, line(200)]], msgspec.Meta(max_length=50)] = []


Variables: TypeAlias = Annotated[list[Variable], msgspec.Meta(max_length=VARIABLES_MAX)]


def check_variables(variables: list[Variable]) -> None:
    """Raise ValueError that names the text in a message's variables that is not fit to be read."""
    # By the message: what is stored must be readable under any later rule.
    for index, variable in enumerate(variables):
        where = f"variables[{index}]"
        for number, choice in enumerate(variable.choices):
            check_lines(**{f"{where}.choices[{number}]": choice})
        if isinstance(variable.default, str):
            check_lines(**{f"{where}.default": variable.default})


# -- Commands ----------------------------------------------------------------


class SavePrompt(Command, frozen=True, kw_only=True):
    """
    Keep a new version. It is not live before it is activated.

    *expected_version* is the latest version that the editor has seen (0: none): when somebody else
    has saved meanwhile, this is refused and nothing is lost. *base_version* is the version that
    the text was made from, which it is compared with; without it, *expected_version*.
    """

    text: PromptText
    expected_version: Version
    variables: Variables = []
    base_version: Version | None = None
    note: Note = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_prose(text=self.text, note=self.note)
        check_variables(self.variables)


class ActivatePrompt(Command, frozen=True, kw_only=True):
    """
    Make a version the live one, which every agent gets.

    With *expected_active* (0: none) only while that version is live.
    """

    version: SavedVersion
    expected_active: Version | None = None
    reason: Note = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_prose(reason=self.reason)


class RollBackPrompt(Command, frozen=True, kw_only=True):
    """
    "Revert to v12": make a version the live one again, whichever it is.

    The same as an activation, but told apart from one in the history.
    """

    version: SavedVersion
    expected_active: Version | None = None
    reason: Note = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_prose(reason=self.reason)


PromptCommand: TypeAlias = SavePrompt | ActivatePrompt | RollBackPrompt

# -- Events ------------------------------------------------------------------


class PromptSaved(Event, frozen=True):
    """Version *version* exists from here on, and never changes. *actor* is its author."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    version: int
    base_version: int
    text: str
    variables: list[Variable]
    note: str
    actor: str


class PromptActivated(Event, frozen=True):
    """Version *version* is live from here on, as *actor* has approved."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    version: int
    previous_version: int
    reason: str
    actor: str


class PromptRolledBack(Event, frozen=True):
    """Version *version* is live again, as *actor* has approved."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    version: int
    previous_version: int
    reason: str
    actor: str


PromptEvent: TypeAlias = PromptSaved | PromptActivated | PromptRolledBack
