"""
The named ways to say no, in the order in which the gate checks them.

A refusal is a fact for the log and an answer for the caller, so it is a value and not an
exception. `assert` is for bugs in this code. Anything else (network, disk) exists only in
`services`, and only services may retry it.
"""

from __future__ import annotations

from typing import Final

from domain import identity_refusals, session_refusals, vault_refusals
from domain.refusal import Refusal as Refusal  # noqa: PLC0414 - one place to import from

CALLER_UNKNOWN: Final = Refusal(
    "caller_unknown",
    403,
    "Forbidden.",
    "Use a key or an account that belongs to this twin.",
)
CALLER_NOT_ALLOWED: Final = Refusal(
    "caller_not_allowed",
    403,
    "Your role or your key's scope does not include this.",
    "Ask an Owner of the twin for the role, or for a key with the scope.",
)
TWIN_UNKNOWN: Final = Refusal(
    "twin_unknown",
    404,
    "There is no such twin.",
    "Check its name; a new one is provisioned with POST /v1/tenants/<tenant>/tenant/provision.",
)
TWIN_EXISTS: Final = Refusal(
    "twin_exists",
    409,
    "The twin exists already.",
    "Change it with POST /v1/tenants/<tenant>/policy/set and /price-book/set.",
)
RESERVED_NAME: Final = Refusal(
    "reserved_name",
    422,
    "This name is reserved: it can be no twin's.",
    "Choose another name for the twin.",
)
NOT_THE_PLATFORM: Final = Refusal(
    "not_the_platform",
    422,
    "Accounts are not kept by a twin.",
    "Send commands of accounts to the tenant `platform`.",
)
TWIN_SUSPENDED: Final = Refusal(
    "twin_suspended", 403, "The twin is suspended.", "Resume it with `vito twin resume`."
)
TWIN_SLEEPING: Final = Refusal(
    "twin_sleeping",
    402,
    "Twin is sleeping: it was put to sleep to stop its cost.",
    "Resume it with `vito twin resume`.",
)
TWIN_NOT_ACTIVATED: Final = Refusal(
    "twin_not_activated",
    403,
    "The twin is not activated: its Owner has not signed its identity off.",
    "Do the steps that `vito twin show` lists as missing.",
)
TWIN_RETIRED: Final = Refusal(
    "twin_retired",
    403,
    "The twin is retired, for ever. Open calls can still be settled or released.",
    "Provision a new twin under another name.",
)
IMMEDIATE_NOT_ALLOWED: Final = Refusal(
    "immediate_not_allowed",
    403,
    "Only the deployment's own credentials may activate a twin without a sign-off.",
    "Leave activation out, and have the Owner sign the twin off.",
)
NOT_CALIBRATING: Final = Refusal(
    "not_calibrating",
    409,
    "No calibration of a draft is under way.",
    "Begin one with `vito twin calibrate`.",
)
CALL_IS_NO_SAMPLE: Final = Refusal(
    "call_is_no_sample",
    403,
    "A calibration call must be the sample that the round is for.",
    "Correct the field named in facts.field: facts.rule says how.",
)
RECONCILIATION_HOLDS_NOTHING: Final = Refusal(
    "reconciliation_holds_nothing",
    403,
    "A reconciliation only lists and ends sessions, so there is nothing to hold for it.",
    "Leave the field named in facts.field empty, or ask for a live call.",
)
SAMPLES_EXHAUSTED: Final = Refusal(
    "samples_exhausted",
    403,
    "The round has its three samples, or has tried too often.",
    "Record the samples and sign off, or begin a new round.",
)
SAMPLE_INVALID: Final = Refusal(
    "sample_invalid",
    409,
    "The call is no finished sample of the round that is under way.",
    "Record a settled calibration call of this round: facts.rule says what is wrong.",
)
DNA_INVALID: Final = Refusal(
    "dna_invalid",
    422,
    "The identity or the purpose contradicts itself.",
    "Correct the field named in facts.field: facts.rule says how.",
)
DNA_INCOMPLETE: Final = Refusal(
    "dna_incomplete",
    409,
    "Something else has to be done first.",
    "Do what facts.missing names, in that order.",
)
SIGN_OFF_IS_THE_OWNERS: Final = Refusal(
    "sign_off_is_the_owners",
    403,
    "Only an Owner of the twin can say that this looks and sounds like them.",
    "Have an Owner sign off with `vito twin sign-off`.",
)
NOT_SUSPENDED: Final = Refusal(
    "not_suspended",
    409,
    "The twin is not suspended.",
    "Nothing needs to be done; `vito twin show` says what a new twin still needs.",
)
MODALITY_NOT_ALLOWED: Final = Refusal(
    "modality_not_allowed",
    403,
    "The twin's policy does not allow this modality.",
    "Ask for one of the policy's modalities, or change the policy.",
)
NOT_PRICED: Final = Refusal(
    "not_priced",
    403,
    "The price book has no price for this call, so its cost cannot be held.",
    "Add the provider, sku and quantity with POST /v1/tenants/<tenant>/price-book/set.",
)
RATE_LIMITED: Final = Refusal(
    "rate_limited",
    429,
    "Too many calls: the leaky bucket is full.",
    "Wait retry_after_ms and ask again, with a new command_id: this one stays refused.",
)
SESSION_LIMIT: Final = Refusal(
    "session_limit_reached",
    403,
    "The session has used what the policy allows one session.",
    "Open a new session, or raise the policy's session limits.",
)
QUOTA_EXHAUSTED: Final = Refusal(
    "quota_exhausted",
    402,
    "The month's quota of this modality is exhausted.",
    "Offer a cheaper fallback, raise the quota, or wait until resets_at.",
)
SOFT_CAP_REACHED: Final = Refusal(
    "soft_cap_reached",
    402,
    "The month's soft cap is reached: only cheaper modalities are granted.",
    "Offer a fallback further down the ladder, or raise the soft cap.",
)
HARD_LIMIT_REACHED: Final = Refusal(
    "monthly_hard_limit_reached",
    402,
    "Twin is sleeping: the month's hard limit does not leave enough for this call.",
    "Top up credits, raise the limit, or wait until resets_at. Retrying alone does not help.",
)
TOO_MANY_HOLDS: Final = Refusal(
    "too_many_holds",
    503,
    "Too many calls of this twin are open at once.",
    "Settle or release open calls, or wait until holds expire; then use a new command_id.",
)
HOLD_OF_ANOTHER_TENANT: Final = Refusal(
    "hold_of_another_tenant",
    403,
    "This reservation was not granted to this twin.",
    "Send it to the twin that the reservation id begins with.",
)
HOLD_UNKNOWN: Final = Refusal(
    "hold_unknown",
    404,
    "No such reservation was ever granted.",
    "Use the reservation_id exactly as the authorisation returned it.",
)
HOLD_EXPIRED: Final = Refusal(
    "hold_expired",
    409,
    "The hold has expired; its money is free again.",
    "If the call was made, settle it: it will be booked late. Otherwise do nothing.",
)
HOLD_CLOSED: Final = Refusal(
    "hold_closed",
    409,
    "The hold was settled or released before, expired very long ago, or that decision granted none;"
    " nothing was changed.",
    "Nothing needs to be done: a hold is booked once.",
)
POLICY_INVALID: Final = Refusal(
    "policy_invalid",
    422,
    "The policy contradicts itself.",
    "Correct the field named in facts.field: facts.rule says how.",
)
PRICE_BOOK_INVALID: Final = Refusal(
    "price_book_invalid",
    422,
    "The price book contradicts itself or the policy.",
    "Correct the field named in facts.field: facts.rule says how.",
)
BOOKING_TOO_LARGE: Final = Refusal(
    "booking_too_large",
    422,
    "The month would pass 9 million, where numbers stop being exact everywhere; nothing is booked.",
    "Correct the usage and settle again with a new command_id.",
)
VERSION_CONFLICT: Final = Refusal(
    "version_conflict",
    409,
    "Somebody else changed it since you read it.",
    "Read the current version, repeat your change on it, and send that version.",
)
VERSION_UNKNOWN: Final = Refusal(
    "version_unknown",
    404,
    "There is no such version.",
    "List the versions and name one of them; facts.latest_version is the latest.",
)
VERSION_NOT_KEPT: Final = Refusal(
    "version_not_kept",
    409,
    "The version is too old to be put in force at once: the gate keeps as many as fit.",
    "Save its content again, as a new version: the list of versions still has it.",
)
ALREADY_IN_FORCE: Final = Refusal(
    "already_in_force", 409, "The version is in force already.", "Nothing needs to be done."
)
PROMPT_INVALID: Final = Refusal(
    "prompt_invalid",
    422,
    "The prompt contradicts itself or its variables.",
    "Correct the field named in facts.field: facts.rule says how.",
)
TOPICS_INVALID: Final = Refusal(
    "topics_invalid",
    422,
    "The list of topics contradicts itself or is too long.",
    "Correct the field named in facts.field: facts.rule says how.",
)
CREDITS_TOO_LARGE: Final = Refusal(
    "credits_too_large",
    422,
    "All credits ever added would pass 9 million, where numbers stop being exact everywhere.",
    "Top up a smaller amount.",
)
VISIT_OVER: Final = Refusal(
    "visit_over",
    403,
    "The visitor's session is over.",
    "Let a new visitor in: POST /v1/tenants/<tenant>/deployments/<deployment>/visitors.",
)
ABOVE_CEILING: Final = Refusal(
    "modality_above_ceiling",
    403,
    "The visitor's deployment does not offer this modality.",
    "Ask for facts.ceiling or a modality below it on the ladder video, voice, text.",
)
NOT_THE_VISITORS: Final = Refusal(
    "session_of_another",
    403,
    "A visitor may make and close calls of its own session only.",
    "Send the visitor's id as session_id, and only reservations that it was granted.",
)
DEPLOYMENT_UNKNOWN: Final = Refusal(
    "deployment_unknown",
    404,
    "The twin has no such deployment.",
    "List its deployments with `vito deployment list`.",
)
DEPLOYMENT_EXISTS: Final = Refusal(
    "deployment_exists",
    409,
    "The twin has a deployment of this id.",
    "Change that one, or choose another id.",
)
TOO_MANY_DEPLOYMENTS: Final = Refusal(
    "too_many_deployments",
    409,
    "A twin has at most 50 deployments.",
    "Change one that is disabled instead of creating another.",
)
DEPLOYMENT_INVALID: Final = Refusal(
    "deployment_invalid",
    422,
    "The deployment contradicts itself, or something in it is not what it must be.",
    "Correct the field named in facts.field: facts.rule says how.",
)
DEPLOYMENT_IS_SO: Final = Refusal(
    "deployment_is_so",
    409,
    "The deployment is enabled or disabled already, as was asked.",
    "Nothing needs to be done.",
)
DEPLOYMENT_DISABLED: Final = Refusal(
    "deployment_disabled",
    403,
    "The deployment is disabled.",
    "Enable it with `vito deployment enable`.",
)
DEPLOYMENT_EXPIRED: Final = Refusal(
    "deployment_expired",
    403,
    "The deployment has run out.",
    "Give it a later expiry, or none, with `vito deployment change`.",
)
ORIGIN_NOT_ALLOWED: Final = Refusal(
    "origin_not_allowed",
    403,
    "The origin is not on the deployment's list.",
    "Add exactly this origin to the deployment's terms, or embed the twin where it is allowed.",
)
VISITOR_EXISTS: Final = Refusal(
    "visitor_exists",
    409,
    "A visitor of this id has been admitted.",
    "Use a new random visitor_id for each visitor.",
)
MINTS_TOO_FAST: Final = Refusal(
    "mints_too_fast",
    429,
    "The deployment has admitted as many visitors as it may in this minute.",
    "Wait facts.retry_after_ms and ask with a new command_id, or raise mints_per_minute.",
)
TOO_MANY_VISITORS: Final = Refusal(
    "too_many_visitors",
    503,
    "Too many visitors of this twin are in at once.",
    "Ask again, with a new command_id, when sessions have ended: each does within 15 minutes.",
)
SOURCE_UNKNOWN: Final = Refusal(
    "source_unknown",
    404,
    "The twin has no such source.",
    "List its sources with `vito knowledge list`.",
)
SOURCE_EXISTS: Final = Refusal(
    "source_exists",
    409,
    "The twin has a source of this id.",
    "Submit that one again, or choose another id.",
)
TOO_MANY_SOURCES: Final = Refusal(
    "too_many_sources",
    409,
    "A twin has at most 1000 sources that are not retired.",
    "Retire a source first.",
)
SOURCE_INVALID: Final = Refusal(
    "source_invalid",
    422,
    "Something about the source is not what it must be.",
    "Correct the field named in facts.field: facts.rule says how.",
)
SOURCE_NOT_AT_STAGE: Final = Refusal(
    "source_not_at_stage",
    409,
    "The source is at another stage, at which this cannot be done.",
    "See facts.stage and facts.needed; look at the source again before you decide.",
)
INGESTION_STALE: Final = Refusal(
    "ingestion_stale",
    409,
    "This is not the source's current ingestion: it was begun or submitted again since.",
    "Drop the result; the current ingestion is facts.current.",
)
CONTENT_NOT_REVIEWED: Final = Refusal(
    "content_not_reviewed",
    409,
    "The hash is not that of the draft under review: the content has changed.",
    "Review the draft whose hash is facts.draft_hash, and decide on that.",
)
PROGRESS_NOT_FORWARD: Final = Refusal(
    "progress_not_forward",
    409,
    "The ingestion is at that step or a later one already.",
    "Go on; it is at facts.step.",
)
FLAGS_NOT_SEEN: Final = Refusal(
    "flags_not_seen",
    409,
    "The draft has flags, hidden text or instructions to the model, and not all have been seen.",
    "Look at each of them in its review, then say so with flags_seen: facts.flags.",
)
PERSON_NEEDED: Final = Refusal(
    "person_needed",
    403,
    "Only a person can approve or reject content.",
    "Have an Approver of the twin review it.",
)
APPROVER_NEEDED: Final = Refusal(
    "approver_needed",
    403,
    "What was approved can be retired by an Approver only.",
    "Ask an Approver or an Owner of the twin to retire it.",
)
COMMAND_ID_REUSED: Final = Refusal(
    "command_id_reused",
    422,
    "This command_id was used before with another payload.",
    "Use a new command_id for a new command; repeat an old one unchanged.",
)
OVERLOADED: Final = Refusal(
    "overloaded",
    503,
    "Too many commands of this twin are waiting.",
    "Ask again after retry_after_ms with the same command_id.",
)
LOOKUPS_TOO_FAST: Final = Refusal(
    "lookups_too_fast",
    429,
    "What the twin knows is being looked up too often.",
    "Wait retry_after_ms and ask again.",
)
CANNOT_VERIFY: Final = Refusal(
    "cannot_verify",
    503,
    "The decision could not be made durable in time; it may or may not have been taken.",
    "Ask again with the same command_id: you will get the one true answer.",
)

BY_CODE: Final[dict[str, Refusal]] = {
    value.code: value
    for module in (
        globals(),
        vars(identity_refusals),
        vars(session_refusals),
        vars(vault_refusals),
    )
    for value in tuple(module.values())
    if isinstance(value, Refusal)
}
