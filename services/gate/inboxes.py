"""
Inboxes: where an answer may go. It goes to who has asked, and to nobody else.

A requester chooses the subject of the reply, and the door may publish to every inbox: so it must
not take anybody's word for whose inbox that is. The last token of the subject, which the server has
checked, says who asks; each of them listens in one place only:

    operator          a static role: an inbox of static roles, `_INBOX_<user>.…`
    <principal>       who came in with a key or a token: `_INBOX.<principal>.…`
    <role>~<principal>  a role of ours for somebody that it has recognised: `_INBOX_<role>.…`

Which static role it is that asks as the operator, a message does not say; all of them are the
deployment's own.
"""

from __future__ import annotations

from typing import Final

from contracts.access import OPERATOR, kind_of
from contracts.subjects import speaker
from services.embedded.nats_permissions import caller_inbox, inbox_prefix

_OF_ROLES: Final = b"_INBOX"
_OF_CALLERS: Final = b"_INBOX."
_CALLERS: Final = frozenset(("admin", "person", "key", "visitor"))
NOWHERE: Final = b""


def asker(token: str, reply_to: bytes) -> tuple[str, bytes]:
    """Return who asks, and where to answer: nowhere, unless it is an inbox of theirs."""
    if token == OPERATOR:
        return token, reply_to if _is_of_a_role(reply_to) else NOWHERE
    role, principal = speaker(token)
    prefix = inbox_prefix(role) if role else caller_inbox(principal)
    return principal, reply_to if reply_to.startswith(f"{prefix}.".encode()) else NOWHERE


def _is_of_a_role(reply_to: bytes) -> bool:
    if not reply_to.startswith(_OF_CALLERS):
        return reply_to.startswith(_OF_ROLES)
    # The inbox that clients have by themselves, for a login without limits; no caller's.
    return kind_of(reply_to[len(_OF_CALLERS) :].decode("utf-8", "replace")) not in _CALLERS
