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
    ReportDenial,
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
    RehashPassword,
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
from contracts.data_key import DataKeyCommand, RewrapDataKey, RotateDataKey
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
    ReportProgress,
    RetireSource,
    SubmitSource,
)
from contracts.policy import PolicyCommand, SetPolicy
from contracts.price_book import PriceBookCommand, SetPriceBook
from contracts.prompt import ActivatePrompt, PromptCommand, RollBackPrompt, SavePrompt
from contracts.secret import OpenSecret, PutSecret, RevokeSecret, RotateSecret, SecretsCommand
from contracts.session import (
    BeatSession,
    BeginSession,
    CiteAnswer,
    EndSession,
    KillAllSessions,
    KillSession,
    SessionCommand,
    ShowDisclosure,
    StepSession,
)
from contracts.tenant import (
    EraseTenant,
    ProvisionTenant,
    ResumeTenant,
    SuspendTenant,
    TenantCommand,
)
from contracts.topics import RollBackTopics, SetTopics, TopicsCommand
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
    TenantCommand
    | PolicyCommand
    | PriceBookCommand
    | BudgetCommand
    | AccessCommand
    | AccountCommand
    | PromptCommand
    | TopicsCommand
    | TwinCommand
    | DeploymentCommand
    | KnowledgeCommand
    | SecretsCommand
    | DataKeyCommand
    | SessionCommand
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
    InviteMember: ("access", "invite"),
    WithdrawInvitation: ("access", "withdraw"),
    AcceptInvitation: ("access", "accept"),
    ChangeRole: ("access", "change_role"),
    RemoveMember: ("access", "remove_member"),
    IssueKey: ("access", "issue_key"),
    RotateKey: ("access", "rotate_key"),
    RevokeKey: ("access", "revoke_key"),
    BreakGlass: ("access", "break_glass"),
    ReportDenial: ("access", "report_denial"),
    FoundPlatform: ("account", "found"),
    RegisterAccount: ("account", "register"),
    SetPassword: ("account", "set_password"),
    RehashPassword: ("account", "rehash_password"),
    IssueLink: ("account", "issue_link"),
    OpenSession: ("account", "open_session"),
    CloseSessions: ("account", "close_sessions"),
    CountSignInFailure: ("account", "sign_in_failed"),
    GrantAdmin: ("account", "grant_admin"),
    WithdrawAdmin: ("account", "withdraw_admin"),
    LockAccount: ("account", "lock"),
    UnlockAccount: ("account", "unlock"),
    SavePrompt: ("prompt", "save"),
    ActivatePrompt: ("prompt", "activate"),
    RollBackPrompt: ("prompt", "roll_back"),
    SetTopics: ("topics", "set"),
    RollBackTopics: ("topics", "roll_back"),
    SetIdentity: ("twin", "set_identity"),
    SetPurpose: ("twin", "set_purpose"),
    RefineTwin: ("twin", "refine"),
    BeginCalibration: ("twin", "begin_calibration"),
    RecordSample: ("twin", "record_sample"),
    SignOffTwin: ("twin", "sign_off"),
    RetireTwin: ("twin", "retire"),
    CreateDeployment: ("deployment", "create"),
    ChangeDeployment: ("deployment", "change"),
    SetDisclosure: ("deployment", "set_disclosure"),
    EnableDeployment: ("deployment", "enable"),
    DisableDeployment: ("deployment", "disable"),
    MintVisitor: ("deployment", "mint"),
    AddSource: ("knowledge", "add"),
    SubmitSource: ("knowledge", "submit"),
    BeginIngestion: ("knowledge", "begin_ingestion"),
    ReportProgress: ("knowledge", "report_progress"),
    ReportIngested: ("knowledge", "report_ingested"),
    ReportFailed: ("knowledge", "report_failed"),
    ApproveSource: ("knowledge", "approve"),
    RejectSource: ("knowledge", "reject"),
    RetireSource: ("knowledge", "retire"),
    PutSecret: ("secret", "put"),
    RotateSecret: ("secret", "rotate"),
    RevokeSecret: ("secret", "revoke"),
    OpenSecret: ("secret", "open"),
    RotateDataKey: ("data_key", "rotate"),
    RewrapDataKey: ("data_key", "rewrap"),
    BeginSession: ("session", "open"),
    ShowDisclosure: ("session", "show_disclosure"),
    BeatSession: ("session", "beat"),
    StepSession: ("session", "step"),
    CiteAnswer: ("session", "cite"),
    EndSession: ("session", "close"),
    KillSession: ("session", "kill"),
    KillAllSessions: ("session", "kill_all"),
}
