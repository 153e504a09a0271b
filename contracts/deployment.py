"""
Where a twin is shown: its deployments, what each must disclose, and who may visit it.

A deployment is a place with rules: the web origins that may embed the twin, the richest modality
that it offers, until when, and the text that tells visitors that they speak with an AI. A visitor
is admitted to one deployment, from one origin, for at most 15 minutes.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from contracts.message import (
    ID_PATTERN,
    Command,
    Event,
    NotedCommand,
    Part,
    Prose,
    UnixUs,
    Version,
    check_lines,
    check_prose,
    line,
    whole,
)

Surface: TypeAlias = Literal["web_widget", "kiosk", "app"]
Ceiling: TypeAlias = Literal["video", "voice", "text"]
VISIT_S_MAX: Final = 900
ORIGINS_MAX: Final = 20

DeploymentId: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=whole(ID_PATTERN), description="chosen when it is created")
]
# As a principal it stands behind `visitor_`, and the two together are one id.
VisitorId: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        pattern=whole(r"[A-Za-z0-9_-]{16,56}"),
        description="random and new for each visitor; also the session_id of its calls",
    ),
]
Origin: TypeAlias = Annotated[
    str, line(300), msgspec.Meta(description="https://host[:port], nothing else")
]
# A browser's header as it came, which may be none of ours; empty when there was none.
SentOrigin: TypeAlias = Annotated[
    str,
    line(300, min_length=0),
    msgspec.Meta(description="the browser's Origin header; empty: an app"),
]
Language: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        pattern=whole("[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}"),
        max_length=30,
        description="BCP 47, such as es-MX",
    ),
]


class DeploymentTerms(Part, frozen=True):
    """
    The rules of one deployment.

    *origins* are exact: scheme, host and port as a browser's Origin header has them. Only an `app`
    may have none. *ceiling* is the richest modality on the ladder video, voice, text; data is not
    on it. *mints_per_minute* bounds new visitors in each minute of the clock. Without
    *expires_at_us* it goes on until it is disabled.
    """

    surface: Surface
    ceiling: Ceiling
    origins: Annotated[list[Origin], msgspec.Meta(max_length=ORIGINS_MAX)] = []
    mints_per_minute: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 600
    expires_at_us: UnixUs | None = None


class Disclosure(Part, frozen=True):
    """What tells a visitor that this is an AI, and in which language it says so."""

    text: Prose
    language: Language

    def __post_init__(self) -> None:
        check_prose(text=self.text)


def check_terms(terms: DeploymentTerms) -> None:
    """Raise ValueError that names the text in a command's terms that is not fit to be read."""
    # By the command: terms that are stored must be readable under any later rule.
    for index, origin in enumerate(terms.origins):
        check_lines(**{f"terms.origins[{index}]": origin})


# -- Commands ----------------------------------------------------------------


class CreateDeployment(NotedCommand, frozen=True, kw_only=True):
    """Add a deployment, disabled until it is enabled: there is time to look at it."""

    deployment: DeploymentId
    terms: DeploymentTerms
    disclosure: Disclosure

    def __post_init__(self) -> None:
        super().__post_init__()
        check_terms(self.terms)


class ChangeDeployment(NotedCommand, frozen=True, kw_only=True):
    """Replace all terms of a deployment. *expected_version* guards against a lost update."""

    deployment: DeploymentId
    terms: DeploymentTerms
    expected_version: Version | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_terms(self.terms)


class SetDisclosure(NotedCommand, frozen=True, kw_only=True):
    """Replace what is disclosed, as a new version. *expected_version* is that of the disclosure."""

    deployment: DeploymentId
    disclosure: Disclosure
    expected_version: Version | None = None


class EnableDeployment(NotedCommand, frozen=True, kw_only=True):
    """Let visitors in."""

    deployment: DeploymentId


class DisableDeployment(NotedCommand, frozen=True, kw_only=True):
    """Let nobody in any more, and refuse every further call of the visitors that are in."""

    deployment: DeploymentId


class MintVisitor(Command, frozen=True, kw_only=True):
    """
    May a visitor who comes from *origin* have a session now?

    *origin* is the browser's Origin header as it came; empty when there is none. The answer says
    until when the session lasts and which version of the disclosure must be shown.
    """

    deployment: DeploymentId
    visitor_id: VisitorId
    origin: SentOrigin = ""
    ttl_s: Annotated[int, msgspec.Meta(ge=60, le=VISIT_S_MAX)] = VISIT_S_MAX

    def __post_init__(self) -> None:
        super().__post_init__()
        check_lines(origin=self.origin)


DeploymentCommand: TypeAlias = (
    CreateDeployment
    | ChangeDeployment
    | SetDisclosure
    | EnableDeployment
    | DisableDeployment
    | MintVisitor
)

# -- Events ------------------------------------------------------------------


class DeploymentCreated(Event, frozen=True):
    """A deployment exists, disabled, with version 1 of its terms and of its disclosure."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    deployment: str
    version: int
    terms: DeploymentTerms
    text: str
    language: str
    note: str
    actor: str


class DeploymentChanged(Event, frozen=True):
    """Version *version* of the terms rules from here on, for visitors that are in as well."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    deployment: str
    version: int
    terms: DeploymentTerms
    note: str
    actor: str


class DisclosureSet(Event, frozen=True):
    """Version *version* of the disclosure must be shown from here on."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    deployment: str
    version: int
    text: str
    language: str
    note: str
    actor: str


class DeploymentEnabled(Event, frozen=True):
    """Visitors are let in."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    deployment: str
    note: str
    actor: str


class DeploymentDisabled(Event, frozen=True):
    """Nobody is let in any more, and who is in may do nothing more."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    deployment: str
    note: str
    actor: str


class VisitorAdmitted(Event, frozen=True):
    """
    A visitor from *origin* may make calls up to *ceiling* until *expires_at_us*.

    It is to be shown version *disclosure_version* of the deployment's disclosure.
    """

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    deployment: str
    visitor_id: str
    origin: str
    ceiling: Ceiling
    expires_at_us: UnixUs
    disclosure_version: int
    actor: str


DeploymentEvent: TypeAlias = (
    DeploymentCreated
    | DeploymentChanged
    | DisclosureSet
    | DeploymentEnabled
    | DeploymentDisabled
    | VisitorAdmitted
)
