"""Every command there is, and where it is sent: `cmd.<tenant>.<noun>.<verb>`."""

from __future__ import annotations

from typing import TypeAlias

from contracts.budget import (
    AuthorizeCall,
    BudgetCommand,
    ExtendCall,
    ReleaseCall,
    SettleCall,
    TopUpCredits,
)
from contracts.deployment import (
    ChangeDeployment,
    CreateDeployment,
    DeploymentCommand,
    DisableDeployment,
    EnableDeployment,
    MintVisitor,
    SetDisclosure,
)
from contracts.knowledge import (
    AddSource,
    ApproveSource,
    BeginIngestion,
    KnowledgeCommand,
    RejectSource,
    ReportFailed,
    ReportIngested,
    RetireSource,
    SubmitSource,
)
from contracts.policy import PolicyCommand, SetPolicy
from contracts.price_book import PriceBookCommand, SetPriceBook
from contracts.tenant import ProvisionTenant, ResumeTenant, SuspendTenant, TenantCommand

AnyCommand: TypeAlias = (
    TenantCommand
    | PolicyCommand
    | PriceBookCommand
    | BudgetCommand
    | DeploymentCommand
    | KnowledgeCommand
)

NOUN_AND_VERB: dict[type[AnyCommand], tuple[str, str]] = {
    ProvisionTenant: ("tenant", "provision"),
    SuspendTenant: ("tenant", "suspend"),
    ResumeTenant: ("tenant", "resume"),
    SetPolicy: ("policy", "set"),
    SetPriceBook: ("price_book", "set"),
    AuthorizeCall: ("budget", "authorize"),
    SettleCall: ("budget", "settle"),
    ExtendCall: ("budget", "extend"),
    ReleaseCall: ("budget", "release"),
    TopUpCredits: ("budget", "top_up"),
    CreateDeployment: ("deployment", "create"),
    ChangeDeployment: ("deployment", "change"),
    SetDisclosure: ("deployment", "set_disclosure"),
    EnableDeployment: ("deployment", "enable"),
    DisableDeployment: ("deployment", "disable"),
    MintVisitor: ("deployment", "mint"),
    AddSource: ("knowledge", "add"),
    SubmitSource: ("knowledge", "submit"),
    BeginIngestion: ("knowledge", "begin_ingestion"),
    ReportIngested: ("knowledge", "report_ingested"),
    ReportFailed: ("knowledge", "report_failed"),
    ApproveSource: ("knowledge", "approve"),
    RejectSource: ("knowledge", "reject"),
    RetireSource: ("knowledge", "retire"),
}
