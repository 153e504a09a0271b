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
from contracts.prompt import ActivatePrompt, PromptCommand, RollBackPrompt, SavePrompt
from contracts.tenant import ProvisionTenant, ResumeTenant, SuspendTenant, TenantCommand
from contracts.topics import RollBackTopics, SetTopics, TopicsCommand

AnyCommand: TypeAlias = (
    TenantCommand | PolicyCommand | PriceBookCommand | BudgetCommand | PromptCommand | TopicsCommand
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
    SavePrompt: ("prompt", "save"),
    ActivatePrompt: ("prompt", "activate"),
    RollBackPrompt: ("prompt", "roll_back"),
    SetTopics: ("topics", "set"),
    RollBackTopics: ("topics", "roll_back"),
}
