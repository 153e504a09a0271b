"""
A twin's DNA: who it is, what it is for, and whose word says that it is ready (5.4).

*Identity* is how the twin looks and sounds. Each save is a new immutable version, and a version
goes live only by the mirror test: three samples of exactly that version, made through the avatar
provider, and the Owner's sign-off. The version before stays live meanwhile.

*Purpose* is what the twin is for. No sample can show it, so it has no mirror test: it is versioned
and in force once somebody who may approve has saved it.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from contracts.budget import HoldCommand
from contracts.message import (
    ID_PATTERN,
    NAME_PATTERN,
    Command,
    Event,
    Modality,
    Name,
    Note,
    NotedCommand,
    Part,
    UnixUs,
    Version,
    check_prose,
    prose,
    refuse_odd_text,
    refuse_spelling,
    whole,
)
from contracts.tenant import TenantStatus

# RFC 5646 without its list of grandfathered oddities: language, script, region, variants,
# extensions, private use.
LANGUAGE_PATTERN: Final = (
    r"([A-Za-z]{2,3}(-[A-Za-z]{3}){0,3}|[A-Za-z]{4,8})(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?"
    r"(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*(-[A-WYZa-wyz0-9](-[A-Za-z0-9]{2,8})+)*"
    r"(-x(-[A-Za-z0-9]{1,8})+)?"
)
SAMPLES: Final = 3
PHRASES_MAX: Final = 50

ConversionGoal: TypeAlias = Literal[
    "entertainment", "lead_gen", "sales", "education", "support", "other"
]
LanguageTag: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        pattern=whole(LANGUAGE_PATTERN),
        max_length=35,
        description="BCP 47, such as es-AR; the accent says what a tag cannot",
    ),
]
Permille: TypeAlias = Annotated[
    int, msgspec.Meta(ge=500, le=2_000, description="1000 is as the provider speaks by itself")
]
VendorName: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        pattern=whole("[A-Za-z0-9][A-Za-z0-9._:-]{0,127}"),
        description="as the vendor names it; it is sent to no other",
    ),
]
Phrase: TypeAlias = Annotated[str, prose(200, min_length=1)]

_is_product = re.compile(f"{ID_PATTERN} {NAME_PATTERN} {NAME_PATTERN}").fullmatch


class Identity(Part, frozen=True):
    """
    The texture of the interaction. *signature_phrases* are said to the letter.

    *voice* and *face* are the names that the vendors have for them; empty: the deployment's own.
    """

    tone: Annotated[str, prose(200, min_length=1)]
    pacing: Annotated[str, prose(200, min_length=1)]
    language: LanguageTag
    accent: Annotated[str, prose(200, min_length=0)] = ""
    signature_phrases: Annotated[list[Phrase], msgspec.Meta(max_length=PHRASES_MAX)] = []
    voice: VendorName | Literal[""] = ""
    face: VendorName | Literal[""] = ""


class Refinement(Part, frozen=True):
    """What a reviewer adjusts, in thousandths of the provider's own pitch and speed."""

    pitch_permille: Permille = 1_000
    speed_permille: Permille = 1_000


class Purpose(Part, frozen=True):
    """The ultimate goal. *goal_note* says what counts as reached; `other` needs it."""

    audience: Annotated[str, prose(500, min_length=1)]
    conversion_goal: ConversionGoal
    call_to_action: Annotated[str, prose(300, min_length=1)]
    goal_note: Annotated[str, prose(500, min_length=0)] = ""


# -- Commands ----------------------------------------------------------------


class SetIdentity(NotedCommand, frozen=True, kw_only=True):
    """
    Save a new version of the identity, as the draft. Pitch and speed are kept.

    *expected_version* is the latest version there is, draft or live; it guards against a lost
    update.
    """

    identity: Identity
    expected_version: Version | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_odd_text("identity", self.identity)


class SetPurpose(NotedCommand, frozen=True, kw_only=True):
    """Put a new version of the purpose in force."""

    purpose: Purpose
    expected_version: Version | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_odd_text("purpose", self.purpose)


class RefineTwin(NotedCommand, frozen=True, kw_only=True):
    """Adjust pitch and speed: a new version of the identity, as the draft, with its own samples."""

    refinement: Refinement
    expected_version: Version | None = None


class BeginCalibration(Command, frozen=True, kw_only=True):
    """
    Begin a round of three samples of the draft, by this product of the avatar provider.

    Its modality is video, or voice or text where the policy allows no more. *version* is the
    draft's. A round that was begun before ends.
    """

    version: Version
    provider_id: Name
    sku: Name

    def __post_init__(self) -> None:
        if _is_product(f"{self.command_id} {self.provider_id} {self.sku}") is None:
            refuse_spelling(self)


class RecordSample(HoldCommand, frozen=True, kw_only=True):
    """
    Put the outcome of a settled calibration call before the reviewer.

    *reference* says where it can be seen or heard; no recording is kept here.
    """

    reference: Note = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_prose(reference=self.reference)


class SignOffTwin(NotedCommand, frozen=True, kw_only=True):
    """ "This looks and sounds like me": *version* of the identity goes live."""

    version: Version


class RetireTwin(Command, frozen=True, kw_only=True):
    """End the twin, for ever. Open calls can still be settled."""

    reason: Note = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_prose(reason=self.reason)


TwinCommand: TypeAlias = (
    SetIdentity
    | SetPurpose
    | RefineTwin
    | BeginCalibration
    | RecordSample
    | SignOffTwin
    | RetireTwin
)

# -- Events ------------------------------------------------------------------


class IdentityDrafted(Event, frozen=True):
    """*version* of the identity is the draft; samples of an earlier draft count no more."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    version: int
    identity: Identity
    refinement: Refinement
    note: str
    actor: str


class IdentityRefined(Event, frozen=True):
    """The same identity at another pitch and speed: *version*, which is the draft."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    version: int
    identity: Identity
    refinement: Refinement
    note: str
    actor: str


class PurposeSet(Event, frozen=True):
    """*version* of the purpose is in force from here on."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    version: int
    purpose: Purpose
    note: str
    actor: str


class CalibrationBegun(Event, frozen=True):
    """Calibration *calibration* may make three samples of *version* of the identity."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    version: int
    calibration: int
    modality: Modality
    provider_id: str
    sku: str
    actor: str


class SampleRecorded(Event, frozen=True):
    """Sample *number* (1 to 3) of a round is there to be reviewed; *reservation* paid for it."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    version: int
    calibration: int
    number: int
    reservation: int
    reference: str
    actor: str


class TwinSignedOff(Event, frozen=True):
    """*version* of the identity is live from here on; *samples* are the calls that showed it."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    version: int
    calibration: int
    samples: list[int]
    status: TenantStatus
    note: str
    actor: str


class TwinRetired(Event, frozen=True):
    """No call is granted any more, for ever."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    reason: str
    actor: str


TwinEvent: TypeAlias = (
    IdentityDrafted
    | IdentityRefined
    | PurposeSet
    | CalibrationBegun
    | SampleRecorded
    | TwinSignedOff
    | TwinRetired
)
