"""
What a prover is asked and what it tells, as JSON on the bus.

A question is one message on `prove`. The answer is a row of messages to where it wants them: how
far it is, once a second at least, and in the end what came of it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

import msgspec

from contracts.message import TENANT_PATTERN, whole
from contracts.policy_preview import PolicyPreview, PreviewPolicy

# How long each may take; who asks waits no longer than that.
VERIFY_S_MAX: Final = 3_600.0
# Less than a request over HTTP may take, so that what ends it is said.
PREVIEW_S_MAX: Final = 9.0
# It says that it is there this often, and is taken for dead after so long without a word.
TELLS_EVERY_S: Final = 1.0
SILENT_S_MAX: Final = 10.0
# Half of what the bus takes.
BYTES_MAX: Final = 4 << 20

Tenant: TypeAlias = Annotated[str, msgspec.Meta(pattern=whole(TENANT_PATTERN))]


class VerifyLog(msgspec.Struct, frozen=True, tag="verify", forbid_unknown_fields=True):
    """Prove the log of a twin, and what is shown of it."""

    tenant: Tenant


class TryPolicy(msgspec.Struct, frozen=True, tag="preview", forbid_unknown_fields=True):
    """Try a policy on the calls of a twin."""

    tenant: Tenant
    wanted: PreviewPolicy


Question: TypeAlias = VerifyLog | TryPolicy


class Going(msgspec.Struct, frozen=True, tag="going"):
    """It is under way, and has come to commit *position* of *last*."""

    position: int = 0
    last: int = 0


class Proved(msgspec.Struct, frozen=True, tag="proved"):
    """What `vito verify --json` says of the twin, and of nobody else."""

    outcome: dict[str, Any]


class Previewed(msgspec.Struct, frozen=True, tag="previewed"):
    """What the policy would have done."""

    preview: PolicyPreview


class Unfit(msgspec.Struct, frozen=True, tag="unfit"):
    """The twin could not have such a policy: *field* must be *rule*."""

    field: str
    rule: str


class NotMade(msgspec.Struct, frozen=True, tag="not_made"):
    """There is no result: why, and what to do."""

    message: str
    remedy: str


End: TypeAlias = Proved | Previewed | Unfit | NotMade
Told: TypeAlias = Going | End
