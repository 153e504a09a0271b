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
from contracts.data_key import DataKeyCommand, RewrapDataKey, RotateDataKey
from contracts.policy import PolicyCommand, SetPolicy
from contracts.price_book import PriceBookCommand, SetPriceBook
from contracts.secret import OpenSecret, PutSecret, RevokeSecret, RotateSecret, SecretsCommand
from contracts.tenant import (
    EraseTenant,
    ProvisionTenant,
    ResumeTenant,
    SuspendTenant,
    TenantCommand,
)

AnyCommand: TypeAlias = (
    TenantCommand
    | PolicyCommand
    | PriceBookCommand
    | BudgetCommand
    | SecretsCommand
    | DataKeyCommand
)

NOUN_AND_VERB: dict[type[AnyCommand], tuple[str, str]] = {
    ProvisionTenant: ("tenant", "provision"),
    SuspendTenant: ("tenant", "suspend"),
    ResumeTenant: ("tenant", "resume"),
    EraseTenant: ("tenant", "erase"),
    SetPolicy: ("policy", "set"),
    SetPriceBook: ("price_book", "set"),
    AuthorizeCall: ("budget", "authorize"),
    SettleCall: ("budget", "settle"),
    ExtendCall: ("budget", "extend"),
    ReleaseCall: ("budget", "release"),
    TopUpCredits: ("budget", "top_up"),
    PutSecret: ("secret", "put"),
    RotateSecret: ("secret", "rotate"),
    RevokeSecret: ("secret", "revoke"),
    OpenSecret: ("secret", "open"),
    RotateDataKey: ("data_key", "rotate"),
    RewrapDataKey: ("data_key", "rewrap"),
}
