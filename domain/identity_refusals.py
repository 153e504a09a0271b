"""The named ways to say no about people and keys; see `refusals` for the others."""

from __future__ import annotations

from typing import Final

from domain.refusal import Refusal

EXPIRY_INVALID: Final = Refusal(
    "expiry_invalid",
    422,
    "The expiry lies in the past or too far in the future.",
    "Send an expires_at_us after facts.after_us and up to facts.until_us.",
)
OWNER_EXISTS: Final = Refusal(
    "owner_exists",
    403,
    "The twin has an Owner: who else belongs to it is the Owners' to say.",
    "Ask an Owner of the twin to send the invitation.",
)
ONLY_OWNERS_FIRST: Final = Refusal(
    "only_owners_first",
    403,
    "The first member of a twin is an Owner.",
    "Invite an Owner; they invite everybody else.",
)
ALREADY_MEMBER: Final = Refusal(
    "already_member",
    409,
    "They are a member of the twin already.",
    "Change their role with `vito member role`.",
)
MEMBER_UNKNOWN: Final = Refusal(
    "member_unknown",
    404,
    "The twin has no such member.",
    "Use the person's id as the list of members shows it.",
)
LAST_OWNER: Final = Refusal(
    "last_owner",
    409,
    "They are the last Owner, and a twin is never without one.",
    "Make another member an Owner first.",
)
INVITATION_UNKNOWN: Final = Refusal(
    "invitation_unknown",
    404,
    "There is no such open invitation, or its secret is another one.",
    "Use the whole link of the latest invitation, or ask an Owner for a new one.",
)
INVITATION_EXPIRED: Final = Refusal(
    "invitation_expired",
    409,
    "The invitation has run out.",
    "Ask an Owner of the twin for a new one.",
)
ID_TAKEN: Final = Refusal(
    "id_taken",
    409,
    "This id names another key or invitation of the twin.",
    "Make a new random id and send the command with a new command_id.",
)
KEY_UNKNOWN: Final = Refusal(
    "key_unknown",
    404,
    "The twin has no such key that is in use.",
    "Use the key id as the list of keys shows it.",
)
ACCESS_FULL: Final = Refusal(
    "access_full",
    409,
    "The twin has as many of them as it may have.",
    "Remove what is not needed: facts.what says which, facts.limit how many there may be.",
)
GLASS_NOT_NEEDED: Final = Refusal(
    "glass_not_needed",
    422,
    "Only a platform super admin has a glass to break.",
    "Sign in as a platform super admin.",
)
PLATFORM_EXISTS: Final = Refusal(
    "platform_exists",
    409,
    "The platform was founded already.",
    "Sign in as one of its admins, or have one grant you the right.",
)
ACCOUNT_UNKNOWN: Final = Refusal(
    "account_unknown",
    404,
    "There is no such account.",
    "Use the person's id as the list of accounts shows it.",
)
ACCOUNT_EXISTS: Final = Refusal(
    "account_exists",
    409,
    "This person has an account already.",
    "Make a new random id for a new person.",
)
EMAIL_TAKEN: Final = Refusal(
    "email_taken",
    409,
    "Another account has this e-mail address.",
    "Sign in with it, or register with another address.",
)
PASSWORD_CHANGED: Final = Refusal(
    "password_changed",
    409,
    "The person has another password by now.",
    "Nothing needs to be done: the newer one counts.",
)
ACCOUNT_LOCKED: Final = Refusal(
    "account_locked",
    403,
    "The account is locked.",
    "Ask a platform super admin to unlock it.",
)
TOO_MANY_ACCOUNTS: Final = Refusal(
    "too_many_accounts",
    409,
    "The platform has as many accounts as it may have.",
    "Ask whoever runs the deployment.",
)
LINK_UNKNOWN: Final = Refusal(
    "link_unknown",
    403,
    "The link was used before, has run out, or never existed.",
    "Ask for a new link.",
)
SESSION_UNKNOWN: Final = Refusal(
    "session_unknown",
    404,
    "The person has no such open session.",
    "Nothing needs to be done: it speaks for nobody.",
)
SIGN_IN_BLOCKED: Final = Refusal(
    "sign_in_blocked",
    429,
    "Too many passwords were wrong.",
    "Wait until facts.blocked_until_us, or sign in with a one-time link.",
)
LAST_ADMIN: Final = Refusal(
    "last_admin",
    409,
    "They are the last platform super admin, and the platform is never without one.",
    "Grant another person the right first.",
)
ALREADY_ADMIN: Final = Refusal(
    "already_admin",
    409,
    "They are a platform super admin already.",
    "Nothing needs to be done.",
)
NOT_AN_ADMIN: Final = Refusal(
    "not_an_admin",
    409,
    "They are no platform super admin.",
    "Nothing needs to be done.",
)
ALREADY_LOCKED: Final = Refusal(
    "already_locked",
    409,
    "The account is locked already.",
    "Nothing needs to be done.",
)
NOT_LOCKED: Final = Refusal(
    "not_locked",
    409,
    "The account is not locked, and no sign-in waits.",
    "Nothing needs to be done.",
)
