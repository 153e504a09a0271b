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
from contracts.policy import PolicyCommand, SetPolicy
from contracts.price_book import PriceBookCommand, SetPriceBook
from contracts.tenant import ProvisionTenant, ResumeTenant, SuspendTenant, TenantCommand
from contracts.twin import (
    BeginCalibration,
    RecordSample,
    RefineTwin,
    RetireTwin,
    SetIdentity,
    SetPurpose,
    SignOffTwin,
    TwinCommand,
)

AnyCommand: TypeAlias = (
    TenantCommand | PolicyCommand | PriceBookCommand | BudgetCommand | TwinCommand
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
    SetIdentity: ("twin", "set_identity"),
    SetPurpose: ("twin", "set_purpose"),
    RefineTwin: ("twin", "refine"),
    BeginCalibration: ("twin", "begin_calibration"),
    RecordSample: ("twin", "record_sample"),
    SignOffTwin: ("twin", "sign_off"),
    RetireTwin: ("twin", "retire"),
}
