"""
What the rows of decisions and settlements say, in plain words.

A sentence is a pattern and its values, so that a page can say it in another language; nothing that
is sealed is in either, because nothing sealed is in the rows. `services.audit.words` says the
events themselves, with what only they have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from domain.refusals import BY_CODE
from services.audit.amounts import money

Row = Mapping[str, Any]
_REFUSED_FROM: Final = 400
# Where a row has no value for a name in a pattern.
NOTHING: Final = "\N{EN DASH}"

# By code; a name in brackets is a column or a fact of the row, or one of `_made`.
PATTERNS: Final[Mapping[str, str]] = {
    "granted": "Granted a %(modality)s call to %(product)s: holds %(amount)s, %(left)s left",
    "stepped_down": (
        "Granted a %(modality)s call to %(product)s instead of %(requested)s"
        " (%(stepped_down_for)s): holds %(amount)s, %(left)s left"
    ),
    "settled": "Settled the %(modality)s call to %(product)s: it cost %(cost)s (%(outcome)s)",
    "extended": "Extended call %(reservation_id)s: holds %(amount)s more, %(left)s left",
    "released": "Released call %(reservation_id)s: %(amount)s is free again, %(left)s left",
    "topped_up": "Topped up %(amount)s of credits",
    "provisioned": "Provisioned %(display_name)s of %(organisation)s",
    "suspended": "Put the twin to sleep or suspended it (%(mode)s)",
    "resumed": "Woke the twin",
    "erased": "Erased the twin; its keys are destroyed next",
    "policy_set": "Put policy %(policy_version)s in force",
    "price_book_set": "Put price book %(price_version)s in force",
    "invited": "Invited somebody as %(role)s",
    "withdrawn": "Withdrew invitation %(invitation_id)s",
    "accepted": "%(person)s joined as %(role)s",
    "role_changed": "Made %(person)s %(role)s, who was %(was)s",
    "member_removed": "Removed %(person)s",
    "key_issued": "Issued API key %(key_id)s (%(label)s) for %(scopes)s",
    "key_rotated": "Replaced API key %(key_id)s by %(new_key_id)s",
    "key_revoked": "Revoked API key %(key_id)s",
    "glass_broken": "%(person)s broke the glass to see this twin",
    "founded": "Founded the platform with %(person)s as its first super admin",
    "registered": "Registered %(person)s",
    "password_set": "Set the password of %(person)s",
    "password_rehashed": "Stored the password of %(person)s in a stronger form",
    "link_issued": "Issued a sign-in link for %(person)s",
    "session_opened": "%(person)s signed in",
    "sessions_closed": "Signed %(person)s out",
    "sign_in_counted": "A sign-in of %(person)s failed (%(failures)s in a row)",
    "admin_granted": "Made %(person)s a platform super admin",
    "admin_withdrawn": "Made %(person)s a platform super admin no more",
    "locked": "Locked the account of %(person)s",
    "unlocked": "Unlocked the account of %(person)s",
    "secret_put": "Put secret %(name)s, version %(version)s",
    "secret_rotated": "Rotated secret %(name)s from version %(replaced)s to %(version)s",
    "secret_revoked": "Revoked secret %(name)s, version %(versions)s",
    "secret_opened": ("Opened secret %(name)s, version %(version)s, for call %(reservation_id)s"),
    "data_key_rotated": "Rotated the data key to version %(version)s",
    "prompt_saved": "Saved prompt %(version)s, made from version %(base_version)s",
    "prompt_activated": "Put prompt %(version)s live in place of %(previous_version)s",
    "prompt_rolled_back": "Rolled the prompt back from %(previous_version)s to %(version)s",
    "topics_set": "Put prohibited topics %(version)s in force",
    "topics_rolled_back": (
        "Rolled the prohibited topics back from %(previous_version)s to %(version)s"
    ),
    "identity_drafted": "Drafted identity %(version)s",
    "identity_refined": "Refined the voice: drafted identity %(version)s",
    "purpose_set": "Put purpose %(version)s in force",
    "calibration_begun": "Began calibration %(calibration)s of identity %(version)s",
    "sample_recorded": "Recorded sample %(number)s of calibration %(calibration)s",
    "signed_off": "Signed identity %(version)s off; it is live",
    "retired": "Retired the twin, for ever",
    "deployment_created": "Created deployment %(deployment)s",
    "deployment_changed": "Changed deployment %(deployment)s, version %(version)s",
    "disclosure_set": "Set disclosure %(version)s of deployment %(deployment)s",
    "deployment_enabled": "Enabled deployment %(deployment)s",
    "deployment_disabled": "Disabled deployment %(deployment)s",
    "visitor_admitted": "Admitted a visitor to deployment %(deployment)s, up to %(ceiling)s",
    "source_added": "Added source %(source)s (%(kind)s): %(title)s",
    "source_submitted": "Submitted source %(source)s for ingestion",
    "ingestion_begun": "Began to read source %(source)s",
    "ingestion_advanced": "Reading source %(source)s has come to the step %(step)s",
    "source_ingested": "Read source %(source)s; it waits for review",
    "ingestion_failed": "Source %(source)s could not be read",
    "source_approved": "Approved source %(source)s",
    "source_rejected": "Rejected source %(source)s",
    "source_retired": "Retired source %(source)s",
    "session_begun": "Opened session %(session_id)s by %(modality)s",
    "disclosure_shown": "Session %(session_id)s was shown disclosure %(version)s",
    "session_renewed": "Session %(session_id)s goes on",
    "session_stepped": (
        "Session %(session_id)s goes on by %(modality)s instead of %(previous)s (%(why)s)"
    ),
    "session_ended": "Session %(session_id)s ended (%(ended_for)s)",
    "answer_cited": "Recorded what the answer of turn %(turn)s in session %(session_id)s goes by",
    "session_killed": "Stopped session %(session_id)s",
    "sessions_killed": "Stopped every session: %(sessions)s of them",
}
REFUSED_CALL: Final = "Refused a %(requested)s call to %(product)s: %(reason_refused)s"
REFUSED: Final = "Refused %(noun)s %(verb)s: %(reason_refused)s"
DONE: Final = "Did %(noun)s %(verb)s"
# What somebody has said about it, as a sentence of its own.
SAID: Final = "They said: %(text)s"


class Sentence(NamedTuple):
    """A pattern with names in brackets, the value of each, and what was said about it, if any."""

    pattern: str
    values: dict[str, str]
    said: str

    @property
    def words(self) -> str:
        """The whole in English."""
        told = self.pattern % self.values
        return f"{told}. {SAID % {'text': self.said}}" if self.said else told


def sentence(row: Row, currency: str | None) -> Sentence:
    """Say what a row is about; money is spelled in *currency*."""
    pattern = _pattern(row)
    known = {**row["facts"], **{k: v for k, v in row.items() if v is not None}}
    known |= _made(row, currency or "")
    values = {name: _spelled(known.get(name)) for name in _names(pattern)}
    facts = row["facts"]
    said = str(facts.get("note") or facts.get("reason") or "")
    # A session ends for one of a few reasons, which is in the sentence.
    said = str(facts.get("note") or "") if row["code"] == "session_ended" else said
    return Sentence(pattern, values, said)


def _pattern(row: Row) -> str:
    if row["status"] >= _REFUSED_FROM:
        return REFUSED_CALL if row["requested"] and row["provider_id"] else REFUSED
    if row["code"] == "granted" and "stepped_down_for" in row["facts"]:
        return PATTERNS["stepped_down"]
    return PATTERNS.get(row["code"], DONE)


def _made(row: Row, currency: str) -> dict[str, Any]:
    """Return what no column has as it is read."""
    refusal = BY_CODE.get(row["code"])
    provider, sku = row["provider_id"], row["sku"]
    return {
        "product": f"{provider}/{sku}" if sku else provider,
        "amount": money(int(row["amount_nanos"]), currency),
        "cost": None if (cost := row.get("cost_nanos")) is None else money(cost, currency),
        "left": money(left, currency) if (left := remaining_nanos(row)) is not None else None,
        "reason_refused": refusal.message if refusal else row["code"],
        "ended_for": row["facts"].get("reason"),
    }


def remaining_nanos(row: Row) -> int | None:
    """What a new call could still hold just after a decision; see contracts.budget.Standing."""
    if row["limit_nanos"] is None:
        return None
    free = int(row["limit_nanos"]) - int(row["committed_nanos"]) - int(row["held_nanos"])
    return max(0, free) + max(0, int(row["credits_nanos"]))


def settled_row(settlement: Row | None) -> Row:
    """Return a settlement as a row of the log."""
    assert settlement is not None, "a decision is listed or settled"
    none = dict.fromkeys(("requested", "limit_nanos"))
    told = {"noun": "budget", "verb": "settle", "status": 200, "code": "settled", "facts": {}}
    return {**settlement, **none, **told, "amount_nanos": settlement["held_nanos"]}


def _spelled(value: Any) -> str:
    if value in (None, "", []):
        return NOTHING
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _names(pattern: str) -> list[str]:
    return [part.split(")", 1)[0] for part in pattern.split("%(")[1:]]
