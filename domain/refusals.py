"""
The named ways to say no, in the order in which the gate checks them.

A refusal is a fact for the log and an answer for the caller, so it is a value and not an
exception. `assert` is for bugs in this code. Anything else (network, disk) exists only in
`services`, and only services may retry it.
"""

from __future__ import annotations

from typing import Final

import msgspec


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """
    Why not. *status* is HTTP-like, *message* says what is the case, *remedy* what to do.

    402 money, 403 not allowed, 404 no such thing, 409 conflict, 410 gone for good,
    422 cannot be right, 429 too fast, 503 cannot be verified.
    """

    code: str
    status: int
    message: str
    remedy: str


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
    "Provision it first: cmd.<tenant>.tenant.provision.",
)
TWIN_ERASED: Final = Refusal(
    "twin_erased",
    410,
    "The twin was erased: its key is destroyed, and nobody can read anything of it.",
    "Provision a twin under another name; this name is not given again.",
)
CONFIRMATION_DIFFERS: Final = Refusal(
    "confirmation_differs",
    422,
    "The name given to confirm the erasure is not this twin's.",
    "Look again at which twin is to be erased; send its name as `confirm`.",
)
TWIN_EXISTS: Final = Refusal(
    "twin_exists",
    409,
    "The twin exists already.",
    "Use policy.set and price_book.set to change it.",
)
TWIN_SUSPENDED: Final = Refusal(
    "twin_suspended", 403, "The twin is suspended.", "Resume it: cmd.<tenant>.tenant.resume."
)
TWIN_SLEEPING: Final = Refusal(
    "twin_sleeping",
    402,
    "Twin is sleeping: it was put to sleep to stop its cost.",
    "Resume it: cmd.<tenant>.tenant.resume.",
)
NOT_SUSPENDED: Final = Refusal(
    "not_suspended", 409, "The twin is active already.", "Nothing needs to be done."
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
    "Add the provider, sku and quantity to the price book: cmd.<tenant>.price_book.set.",
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
CREDITS_TOO_LARGE: Final = Refusal(
    "credits_too_large",
    422,
    "All credits ever added would pass 9 million, where numbers stop being exact everywhere.",
    "Top up a smaller amount.",
)
SECRET_UNKNOWN: Final = Refusal(
    "secret_unknown",
    404,
    "There is no such secret, or never was such a version of it.",
    "Use a name that qry.<tenant>.secret.show lists, or put it: cmd.<tenant>.secret.put.",
)
SECRET_UNUSABLE: Final = Refusal(
    "secret_unusable",
    409,
    "The secret was revoked or replaced, or its overlap has ended.",
    "Open it without a version for the newest one, or put a new value under the name.",
)
SECRET_OPENED_BEFORE: Final = Refusal(
    "secret_opened_before",
    409,
    "This secret was opened for this call before.",
    "Keep the value for as long as the call lasts, or authorise a new call.",
)
SECRET_REOPENED_TOO_OFTEN: Final = Refusal(
    "secret_reopened_too_often",
    409,
    "The answer to this opening was given again too often.",
    "Release the call and authorise a new one.",
)
TOO_MANY_SECRETS: Final = Refusal(
    "too_many_secrets",
    409,
    "The vault of this twin has as many names as it may, revoked ones included.",
    "Put the value under one of the names that exist.",
)
TOO_MANY_SECRET_VERSIONS: Final = Refusal(
    "too_many_secret_versions",
    409,
    "This name has had as many versions as it may.",
    "Put the value under another name.",
)
TOO_MANY_OVERLAPS: Final = Refusal(
    "too_many_overlaps",
    409,
    "Too many versions of this secret can still be opened.",
    "Revoke one of facts.versions, wait until its overlap ends, or rotate without an overlap.",
)
TOO_MANY_SECRETS_FOR_CALL: Final = Refusal(
    "too_many_secrets_for_call",
    409,
    "One call may open only so many secrets.",
    "Put what one vendor needs into one secret.",
)
SECRET_UNREADABLE: Final = Refusal(
    "secret_unreadable",
    503,
    "The sealed value does not open; the opening is recorded, and nothing was given.",
    "Put the value again. Somebody must look at the log: vito verify.",
)
TOO_MANY_KEY_VERSIONS: Final = Refusal(
    "too_many_key_versions",
    409,
    "The data key has had as many versions as it may.",
    "Nothing needs to be done: the newest version goes on sealing.",
)
KEY_ROTATED_JUST_NOW: Final = Refusal(
    "key_rotated_just_now",
    429,
    "The data key was rotated less than a minute ago.",
    "Wait a minute after facts.rotated_at_us, and rotate again with a new command_id.",
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
CANNOT_VERIFY: Final = Refusal(
    "cannot_verify",
    503,
    "The decision could not be made durable in time; it may or may not have been taken.",
    "Ask again with the same command_id: you will get the one true answer.",
)

BY_CODE: Final[dict[str, Refusal]] = {
    value.code: value for value in tuple(globals().values()) if isinstance(value, Refusal)
}
