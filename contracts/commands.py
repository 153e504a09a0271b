"""Every command there is, and where it is sent: `cmd.<tenant>.<noun>.<verb>`."""

from __future__ import annotations

from typing import TypeAlias

from contracts.access import (
    AcceptInvitation,
    AccessCommand,
    BreakGlass,
    ChangeRole,
    InviteMember,
    IssueKey,
    RemoveMember,
    RevokeKey,
    RotateKey,
    WithdrawInvitation,
)
from contracts.account import (
    AccountCommand,
    CloseSessions,
    CountSignInFailure,
    FoundPlatform,
    GrantAdmin,
    IssueLink,
    LockAccount,
    OpenSession,
    RegisterAccount,
    SetPassword,
    UnlockAccount,
    WithdrawAdmin,
)
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

AnyCommand: TypeAlias = (
    TenantCommand
    | PolicyCommand
    | PriceBookCommand
    | BudgetCommand
    | AccessCommand
    | AccountCommand
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
    InviteMember: ("access", "invite"),
    WithdrawInvitation: ("access", "withdraw"),
    AcceptInvitation: ("access", "accept"),
    ChangeRole: ("access", "change_role"),
    RemoveMember: ("access", "remove_member"),
    IssueKey: ("access", "issue_key"),
    RotateKey: ("access", "rotate_key"),
    RevokeKey: ("access", "revoke_key"),
    BreakGlass: ("access", "break_glass"),
    FoundPlatform: ("account", "found"),
    RegisterAccount: ("account", "register"),
    SetPassword: ("account", "set_password"),
    IssueLink: ("account", "issue_link"),
    OpenSession: ("account", "open_session"),
    CloseSessions: ("account", "close_sessions"),
    CountSignInFailure: ("account", "sign_in_failed"),
    GrantAdmin: ("account", "grant_admin"),
    WithdrawAdmin: ("account", "withdraw_admin"),
    LockAccount: ("account", "lock"),
    UnlockAccount: ("account", "unlock"),
}
