"""The gate answers who has asked, whatever inbox a message names for the answer."""

from __future__ import annotations

import pytest

from contracts import subjects
from contracts.subjects import query
from services.gate.inboxes import NOWHERE, asker
from tests.gate.served import connected
from tests.rig.twins import provision_twin

ANA, EVE = "key_ana", "key_eve"
# Who asks, by the last token of the subject, and an inbox of theirs.
OWN = {
    EVE: f"_INBOX.{EVE}.x.1",
    "person_ana": "_INBOX.person_ana.x",
    subjects.on_behalf("http", ANA): "_INBOX_http.x.1",
    "operator": "_INBOX_client.x",
}
# What each of them may name and must not be answered at.
OTHERS = {
    EVE: [
        f"_INBOX.{ANA}.x.1",
        f"_INBOX.{EVE}2.x",
        f"_INBOX.{EVE}",
        "_INBOX_http.x.1",
        "_INBOX_client.x",
        "_INBOX_worker.x",
        "evt.0.cantor.budget",
        "push.cantor.bundle",
        "gate.heartbeat",
        "",
    ],
    subjects.on_behalf("http", ANA): [f"_INBOX.{ANA}.x.1", "_INBOX_client.x", "_INBOX_https.x"],
    "operator": [f"_INBOX.{ANA}.x.1", "_INBOX.person_ana.x", "evt.0.cantor.budget"],
}


@pytest.mark.parametrize("token", OWN)
def test_who_asks_is_answered_at_home(token):
    """And is named as the log is to name them."""
    principal, reply = asker(token, OWN[token].encode())

    assert reply == OWN[token].encode()
    assert principal == token.removeprefix("http~")


@pytest.mark.parametrize(
    ("token", "reply"), [(t, r) for t, all_of in OTHERS.items() for r in all_of]
)
def test_nobody_is_answered_elsewhere(token, reply):
    """Not even at an inbox whose name only begins like theirs."""
    assert asker(token, reply.encode())[1] == NOWHERE


@pytest.mark.parametrize("kind", ["a question", "a command", "a command that is none"])
async def test_the_door_answers_into_nobody_elses_inbox(served, kind):
    """
    On a real bus: the door may publish to every inbox, so it must not be talked into it.

    Whoever asks here may publish and hear everything, as no caller may.
    """
    await provision_twin(served, "inboxes")
    heard = []

    async def note(message) -> None:
        heard.append(message.subject)

    def asked(token: str) -> tuple[str, bytes]:
        if kind == "a question":
            return query("inboxes", "budget", token), b""
        payload = b"{" if kind.endswith("none") else b'{"command_id":"c","amount_nanos":1}'
        return subjects.command("inboxes", "budget", "top_up", token), payload

    async with connected(served, "unrestricted") as bus:
        for inbox in ("_INBOX.>", "_INBOX_http.>", "_INBOX_client.>", "_INBOX_worker.x"):
            await bus.subscribe(inbox, cb=note)
        for token, others in OTHERS.items():
            for reply in others:
                if reply.startswith("_INBOX"):
                    await bus.publish(*asked(token), reply=reply)
        # Asked after them, over the same connection: answered after them.
        for token, reply in OWN.items():
            await bus.publish(*asked(token), reply=reply)
        await bus.request(query("inboxes", "tenant"), b"", timeout=10)

    assert sorted(heard) == sorted(OWN.values())
