"""
Questions with parameters: `qry.<tenant>.<noun>.<verb>`, answered from the live state.

What a noun is without parameters is a view, see `contracts.views`. Nothing is written down.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from contracts.lookup import (
    KnowledgeFound,
    KnowledgeReviewed,
    LookupAnswer,
    LookupQuestion,
    PieceTaken,
    ReviewKnowledge,
    SearchKnowledge,
    UploadPiece,
)
from contracts.message import Question, Reply, ReservationId, Version, check_prose
from contracts.prompt import (
    VARIABLES_MAX,
    PromptText,
    VariableName,
    Variables,
    VariableValue,
    check_variables,
)
from contracts.secret import PutSecret, RotateSecret
from contracts.session import ASKED_SESSIONS_MAX, SessionId, SessionsFound
from contracts.usage import Usage

CHECKED_CHARS_MAX: Final = 4_000
FINDINGS_MAX: Final = 100
HoldState: TypeAlias = Literal["open", "expired", "closed", "unknown"]


Values: TypeAlias = Annotated[
    dict[VariableName, VariableValue], msgspec.Meta(max_length=2 * VARIABLES_MAX)
]


Fingerprint: TypeAlias = Annotated[
    bytes, msgspec.Meta(min_length=1, max_length=32, description="as the log has it")
]


class PreviewPrompt(Question, frozen=True, kw_only=True):
    """
    Render a prompt with values, as an agent would.

    A kept *version* (without one the latest), or a *text* with its *variables* before it is saved.
    """

    version: Version | None = None
    text: PromptText | None = None
    variables: Variables = []
    values: Values = {}

    def __post_init__(self) -> None:
        if self.text is not None:
            check_prose(text=self.text)
            check_variables(self.variables)
            if self.version is not None:
                raise ValueError("`version` or `text`, not both")
        elif self.variables:
            raise ValueError("`variables` belong to a `text`; a version has its own")


class CheckTopics(Question, frozen=True, kw_only=True):
    """Look for prohibited topics in what somebody said to the twin, or it is about to say."""

    text: Annotated[str, msgspec.Meta(max_length=CHECKED_CHARS_MAX)]


class CompareSecret(Question, frozen=True, kw_only=True):
    """
    Say whether a command that brings a secret is the one that was decided with *fingerprint*.

    For a door that keeps answers longer than the gate remembers commands: the fingerprint is made
    with the twin's own key, so that nobody who has it can try values against it.
    """

    fingerprint: Fingerprint
    put: PutSecret | None = None
    rotate: RotateSecret | None = None

    def __post_init__(self) -> None:
        if (self.put is None) is (self.rotate is None):
            raise ValueError("either `put` or `rotate`")

    @property
    def command(self) -> PutSecret | RotateSecret:
        """The command that is asked about."""
        found = self.put or self.rotate
        assert found is not None, "one of them is there"
        return found


class FindSessions(Question, frozen=True, kw_only=True):
    """How up to 200 sessions stand: whoever runs them asks for them, and anybody for one."""

    session_ids: Annotated[
        list[SessionId], msgspec.Meta(min_length=1, max_length=ASKED_SESSIONS_MAX)
    ]


class FindHold(Question, frozen=True, kw_only=True):
    """How the hold of a call stands, and whether it backs *usage*."""

    reservation_id: ReservationId
    usage: Usage = Usage()


GateQuestion: TypeAlias = PreviewPrompt | CheckTopics | CompareSecret | FindSessions | FindHold
AnyQuestion: TypeAlias = GateQuestion | LookupQuestion

# -- Answers -----------------------------------------------------------------


class Fault(msgspec.Struct, frozen=True):
    """What keeps a prompt from being rendered: *field* names it, *rule* is what it breaks."""

    field: str
    rule: str


class PromptPreview(Reply, frozen=True, kw_only=True):
    """The rendered *text*, or null and why not. *version* is null for a text not yet saved."""

    tenant: str
    position: int
    version: int | None
    text: str | None
    faults: list[Fault]


class Finding(msgspec.Struct, frozen=True):
    """A phrase of a topic, found in characters [start, end) of the text."""

    topic: str
    phrase: str
    start: int
    end: int


class TopicsCheck(Reply, frozen=True, kw_only=True):
    """What the topics of *version* find: the first 100, in the order of the text."""

    tenant: str
    position: int
    version: int
    findings: list[Finding]


class SecretComparison(Reply, frozen=True, kw_only=True):
    """Whether it is the same command, value and all."""

    tenant: str
    position: int
    is_same: bool


class HoldFound(Reply, frozen=True, kw_only=True):
    """
    How a hold stands as of *position*. Microseconds.

    `open` until *expires_at_us*; `expired`: it ran out and can be settled late; `closed`: settled
    or released, for ever; `unknown`: the twin has granted no such call. *is_backed* says whether
    the hold of an open or expired call is enough for the usage that was asked about.
    """

    tenant: str
    position: int
    reservation_id: str
    state: HoldState
    expires_at_us: int | None = None
    provider_id: str = ""
    sku: str = ""
    is_backed: bool = False


AnyAnswer: TypeAlias = (
    PromptPreview | TopicsCheck | SecretComparison | SessionsFound | HoldFound | LookupAnswer
)

GATE_QUESTIONS: Final[dict[type[GateQuestion], tuple[str, str]]] = {
    PreviewPrompt: ("prompt", "preview"),
    CheckTopics: ("topics", "check"),
    CompareSecret: ("secret", "compare"),
    FindSessions: ("session", "find"),
    FindHold: ("budget", "find"),
}
# Answered by who keeps the knowledge, and not by the gate: see `contracts.lookup`.
LOOKUPS: Final[dict[type[LookupQuestion], tuple[str, str]]] = {
    SearchKnowledge: ("knowledge", "search"),
    ReviewKnowledge: ("knowledge", "review"),
    UploadPiece: ("knowledge", "upload"),
}
QUESTIONS: Final[dict[type[AnyQuestion], tuple[str, str]]] = dict(
    (*GATE_QUESTIONS.items(), *LOOKUPS.items())
)
ANSWERS: dict[type[AnyQuestion], type[AnyAnswer]] = {
    PreviewPrompt: PromptPreview,
    CheckTopics: TopicsCheck,
    CompareSecret: SecretComparison,
    FindSessions: SessionsFound,
    FindHold: HoldFound,
    SearchKnowledge: KnowledgeFound,
    ReviewKnowledge: KnowledgeReviewed,
    UploadPiece: PieceTaken,
}
