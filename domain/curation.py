"""
Curation: the decisions about what a twin may know.

Nothing is ever approved by itself. Keys bring drafts and never approve; a person approves a draft
by its hash, so that what was read is what is approved, whatever has come in meanwhile.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from contracts.access import ROLES, id_of, kind_of
from contracts.commit import AnyEvent
from contracts.knowledge import (
    STEPS,
    UPLOADS,
    AddSource,
    ApproveSource,
    BeginIngestion,
    IngestionAdvanced,
    IngestionBegun,
    IngestionFailed,
    KnowledgeCommand,
    RejectSource,
    ReportFailed,
    ReportIngested,
    ReportProgress,
    RetireSource,
    SourceAdded,
    SourceApproved,
    SourceIngested,
    SourceKind,
    SourceRejected,
    SourceRetired,
    SourceSubmitted,
    Stage,
    SubmitSource,
)
from domain import access, knowledge
from domain.knowledge import Source
from domain.refusals import (
    APPROVER_NEEDED,
    CONTENT_NOT_REVIEWED,
    FLAGS_NOT_SEEN,
    INGESTION_STALE,
    PERSON_NEEDED,
    PROGRESS_NOT_FORWARD,
    SOURCE_EXISTS,
    SOURCE_INVALID,
    SOURCE_NOT_AT_STAGE,
    SOURCE_UNKNOWN,
    TOO_MANY_SOURCES,
    TWIN_UNKNOWN,
)
from domain.refusing import refuse
from domain.state import Decisions, Envelope, State, head

_NO_PERSONS: Final = ("key", "visitor")
_ALIVE: Final[tuple[Stage, ...]] = (
    "pending",
    "ingesting",
    "review",
    "approved",
    "rejected",
    "failed",
)
# A vendor's live data: its name, and the fields of a question as in the query of a URL.
_feed = re.compile(r"(?!https?:)[a-z][a-z0-9-]{1,31}:[^\r\n]{0,1900}").fullmatch
RESERVED: Final = ("search",)
_YOUTUBE: Final = ("www.youtube.com", "youtube.com", "m.youtube.com", "youtu.be")
_url = re.compile(r"(https?)://([^\s/?#@:\\\[\]]{1,253})(:[0-9]{1,5})?([/?#]\S*)?").fullmatch


class _Broken(NamedTuple):
    """A field, and the rule that it breaks."""

    field: str
    rule: str


def add(state: State, command: AddSource, envelope: Envelope) -> list[AnyEvent]:
    if state.tenant.status == "absent":
        return [refuse(state, command, envelope, TWIN_UNKNOWN)]
    if command.source in state.knowledge.sources:
        return [refuse(state, command, envelope, SOURCE_EXISTS)]
    if not knowledge.has_room(state.knowledge):
        return [refuse(state, command, envelope, TOO_MANY_SOURCES)]
    broken = (
        _misnamed(command.source)
        or _misplaced(command.kind, command.location)
        or _misbrought(command.kind, command.upload)
        or _unreadable("title", command.title)
    )
    if broken is not None:
        return [_invalid(state, command, envelope, broken)]
    return [
        SourceAdded(
            *head(state, command, envelope),
            command.source,
            command.kind,
            command.title,
            command.location,
            command.note,
            envelope.actor,
            command.upload or "",
        )
    ]


def submit(state: State, command: SubmitSource, envelope: Envelope) -> list[AnyEvent]:
    """A file may be brought before the last one was read: it takes that one's place."""
    stages = _ALIVE if command.upload else _ALIVE[1:]
    found = _at_stage(state, command, envelope, stages)
    if not isinstance(found, Source):
        return [found]
    broken = _misbrought(found.kind, command.upload)
    if broken is not None:
        return [_invalid(state, command, envelope, broken)]
    return [
        SourceSubmitted(
            *head(state, command, envelope),
            command.source,
            command.note,
            envelope.actor,
            command.upload or "",
        )
    ]


def begin_ingestion(state: State, command: BeginIngestion, envelope: Envelope) -> list[AnyEvent]:
    """Only what a person asked for, or what a service that died has left half done."""
    found = _at_stage(state, command, envelope, ("pending", "ingesting"))
    if not isinstance(found, Source):
        return [found]
    return [
        IngestionBegun(
            *head(state, command, envelope),
            command.source,
            envelope.actor,
            found.attempts + 1,
        )
    ]


def report_progress(state: State, command: ReportProgress, envelope: Envelope) -> list[AnyEvent]:
    found = _ingesting(state, command, envelope)
    if not isinstance(found, Source):
        return [found]
    if found.step and STEPS.index(command.step) <= STEPS.index(found.step):
        facts: dict[str, int | str] = {"step": found.step}
        return [refuse(state, command, envelope, PROGRESS_NOT_FORWARD, facts)]
    return [
        IngestionAdvanced(
            *head(state, command, envelope),
            command.source,
            command.ingestion,
            command.step,
            command.kept or "",
            envelope.actor,
        )
    ]


def report_ingested(state: State, command: ReportIngested, envelope: Envelope) -> list[AnyEvent]:
    found = _ingesting(state, command, envelope)
    if not isinstance(found, Source):
        return [found]
    broken = _unreadable("summary", command.summary)
    if broken is not None:
        return [_invalid(state, command, envelope, broken)]
    return [
        SourceIngested(
            *head(state, command, envelope),
            command.source,
            command.ingestion,
            command.content_hash,
            command.chunks,
            command.summary,
            command.content_hash != found.approved_hash,
            envelope.actor,
            command.language,
            command.pages,
            command.flags,
        )
    ]


def report_failed(state: State, command: ReportFailed, envelope: Envelope) -> list[AnyEvent]:
    found = _ingesting(state, command, envelope)
    if not isinstance(found, Source):
        return [found]
    broken = _unreadable("reason", command.reason)
    if broken is not None:
        return [_invalid(state, command, envelope, broken)]
    return [
        IngestionFailed(
            *head(state, command, envelope),
            command.source,
            command.ingestion,
            command.reason,
            envelope.actor,
            command.code or "",
        )
    ]


def approve(state: State, command: ApproveSource, envelope: Envelope) -> list[AnyEvent]:
    found = _reviewed(state, command, envelope)
    if not isinstance(found, Source):
        return [found]
    if command.flags_seen != found.draft_flags:
        facts: dict[str, int | str] = {"flags": found.draft_flags}
        return [refuse(state, command, envelope, FLAGS_NOT_SEEN, facts)]
    return [
        SourceApproved(
            *head(state, command, envelope),
            command.source,
            found.ingestion,
            found.draft_hash,
            found.draft_chunks,
            command.note,
            envelope.actor,
            found.draft_flags,
            changes_bundle=True,
        )
    ]


def reject(state: State, command: RejectSource, envelope: Envelope) -> list[AnyEvent]:
    found = _reviewed(state, command, envelope)
    if not isinstance(found, Source):
        return [found]
    return [
        SourceRejected(
            *head(state, command, envelope),
            command.source,
            found.ingestion,
            found.draft_hash,
            command.note,
            envelope.actor,
        )
    ]


def retire(state: State, command: RetireSource, envelope: Envelope) -> list[AnyEvent]:
    """An Editor may take back what was never approved; an Approver everything."""
    found = _at_stage(state, command, envelope, _ALIVE)
    if not isinstance(found, Source):
        return [found]
    if found.approved_hash and not _may_approve(state, envelope.actor):
        return [refuse(state, command, envelope, APPROVER_NEEDED)]
    return [
        SourceRetired(
            *head(state, command, envelope),
            command.source,
            command.note,
            envelope.actor,
            bool(found.approved_hash),
        )
    ]


# -- what has to be the case --------------------------------------------------------


def _at_stage(
    state: State, command: KnowledgeCommand, envelope: Envelope, stages: tuple[Stage, ...]
) -> Source | AnyEvent:
    """Return the source that a command is about; a refusal when it is not at one of *stages*."""
    found = state.knowledge.sources.get(command.source)
    if found is None:
        unknown = TWIN_UNKNOWN if state.tenant.status == "absent" else SOURCE_UNKNOWN
        return refuse(state, command, envelope, unknown)
    if found.stage not in stages:
        facts: dict[str, int | str] = {"stage": found.stage, "needed": ", ".join(stages)}
        return refuse(state, command, envelope, SOURCE_NOT_AT_STAGE, facts)
    return found


def _ingesting(
    state: State, command: ReportProgress | ReportIngested | ReportFailed, envelope: Envelope
) -> Source | AnyEvent:
    found = _at_stage(state, command, envelope, ("ingesting",))
    if isinstance(found, Source) and found.ingestion != command.ingestion:
        facts: dict[str, int | str] = {"current": found.ingestion}
        return refuse(state, command, envelope, INGESTION_STALE, facts)
    return found


def _reviewed(
    state: State, command: ApproveSource | RejectSource, envelope: Envelope
) -> Source | AnyEvent:
    # The table of rights says so too; this holds whatever becomes of that table.
    if kind_of(envelope.actor) in _NO_PERSONS:
        return refuse(state, command, envelope, PERSON_NEEDED)
    found = _at_stage(state, command, envelope, ("review",))
    if isinstance(found, Source) and found.draft_hash != command.content_hash:
        facts: dict[str, int | str] = {"draft_hash": found.draft_hash}
        return refuse(state, command, envelope, CONTENT_NOT_REVIEWED, facts)
    return found


def _may_approve(state: State, actor: str) -> bool:
    if kind_of(actor) != "person":
        return kind_of(actor) not in _NO_PERSONS
    role = access.role_of(state.access, id_of(actor))
    return role is not None and ROLES.index(role) >= ROLES.index("approver")


def _misnamed(source: str) -> _Broken | None:
    if source not in RESERVED:
        return None
    return _Broken("source", f"none of {', '.join(RESERVED)}: paths of the API are called so")


def _misplaced(kind: SourceKind, location: str) -> _Broken | None:
    """Say which rule the location of a source breaks, if any."""
    if kind in UPLOADS:
        if "/" in location or "\\" in location or location in (".", ".."):
            return _Broken("location", "the name of a file, without folders")
        return _unreadable("location", location)
    if kind == "api" and _feed(location) is not None:
        return None
    found = _url(location)
    if found is None:
        rule = "an address that begins with https:// or http://, without user name and password"
        return _Broken("location", rule)
    if kind == "youtube" and (found[1] != "https" or found[2].lower() not in _YOUTUBE):
        return _Broken("location", "an https address of youtube.com or youtu.be")
    return None


def _misbrought(kind: SourceKind, upload: str | None) -> _Broken | None:
    if upload is None or kind in UPLOADS:
        return None
    return _Broken("upload", "no file for a source that has an address")


def _unreadable(field: str, text: str) -> _Broken | None:
    if any(letter.isalnum() for letter in text):
        return None
    return _Broken(field, "something to read: at least one letter or digit")


def _invalid(
    state: State, command: KnowledgeCommand, envelope: Envelope, broken: _Broken
) -> AnyEvent:
    facts: dict[str, int | str] = {"field": broken.field, "rule": broken.rule}
    return refuse(state, command, envelope, SOURCE_INVALID, facts)


COMMANDS: Final[Decisions] = {
    AddSource: (add, SourceAdded),
    SubmitSource: (submit, SourceSubmitted),
    BeginIngestion: (begin_ingestion, IngestionBegun),
    ReportProgress: (report_progress, IngestionAdvanced),
    ReportIngested: (report_ingested, SourceIngested),
    ReportFailed: (report_failed, IngestionFailed),
    ApproveSource: (approve, SourceApproved),
    RejectSource: (reject, SourceRejected),
    RetireSource: (retire, SourceRetired),
}
