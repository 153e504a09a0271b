"""The named ways to say no about secrets, data keys and erasure; see `refusals` for the others."""

from __future__ import annotations

from typing import Final

from domain.refusal import Refusal

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
SECRET_UNKNOWN: Final = Refusal(
    "secret_unknown",
    404,
    "There is no such secret, or never was such a version of it.",
    "Use a name that `vito secret list` shows, or put it with `vito secret put`.",
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
