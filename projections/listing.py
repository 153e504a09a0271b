"""What the list of decisions says of those that are not about money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from contracts.deployment import (
    DeploymentChanged,
    DeploymentCreated,
    DeploymentDisabled,
    DeploymentEnabled,
    DisclosureSet,
    VisitorAdmitted,
)
from contracts.knowledge import (
    IngestionBegun,
    IngestionFailed,
    SourceAdded,
    SourceApproved,
    SourceIngested,
    SourceRejected,
    SourceRetired,
    SourceSubmitted,
)


class Listed(NamedTuple):
    """What was asked, what was answered, and which fields of the event are its facts."""

    noun: str
    verb: str
    code: str
    facts: tuple[str, ...]


_OF_VERSION: Final = ("deployment", "version", "note")
_OF_SWITCH: Final = ("deployment", "note")
_OF_VISITOR: Final = (
    *("deployment", "visitor_id", "origin", "ceiling", "expires_at_us", "disclosure_version"),
)
_OF_REVIEW: Final = ("source", "content_hash", "note")
_OF_SOURCE: Final = ("source", "note")

LISTED: Final[Mapping[type, Listed]] = {
    DeploymentCreated: Listed("deployment", "create", "deployment_created", _OF_VERSION),
    DeploymentChanged: Listed("deployment", "change", "deployment_changed", _OF_VERSION),
    DisclosureSet: Listed("deployment", "set_disclosure", "disclosure_set", _OF_VERSION),
    DeploymentEnabled: Listed("deployment", "enable", "deployment_enabled", _OF_SWITCH),
    DeploymentDisabled: Listed("deployment", "disable", "deployment_disabled", _OF_SWITCH),
    VisitorAdmitted: Listed("deployment", "mint", "visitor_admitted", _OF_VISITOR),
    SourceAdded: Listed("knowledge", "add", "source_added", ("source", "kind", "title", "note")),
    SourceSubmitted: Listed("knowledge", "submit", "source_submitted", _OF_SOURCE),
    IngestionBegun: Listed("knowledge", "begin_ingestion", "ingestion_begun", ("source",)),
    SourceIngested: Listed(
        "knowledge", "report_ingested", "source_ingested", ("source", "ingestion", "content_hash")
    ),
    IngestionFailed: Listed(
        "knowledge", "report_failed", "ingestion_failed", ("source", "ingestion", "reason")
    ),
    SourceApproved: Listed("knowledge", "approve", "source_approved", _OF_REVIEW),
    SourceRejected: Listed("knowledge", "reject", "source_rejected", _OF_REVIEW),
    SourceRetired: Listed("knowledge", "retire", "source_retired", _OF_SOURCE),
}
