"""Who is invited comes in with the code alone: with a new account, or with the one they have."""

import asyncio

import msgspec
import pytest

from contracts.access import OPERATOR, InviteMember, WithdrawInvitation
from services.cli import joining
from services.http_door import opening
from services.identity.api_key import new_id
from services.identity.random_secret import generate
from tests.http_door.conftest import OTHER, OWN
from tests.http_door.memory_gate import unverified
from tests.http_door.people import HOUR_US, NOW_US, bearer
from tests.http_door.test_commands import told
from tests.query_api.test_openapi import DOCUMENT, valid

PATH = "/v1/invitations/accept"
EMAIL, PASSWORD = "eva@example.com", "a password nobody has"


class Inviting:
    """The door of a twin that invites; the tables follow the log as soon as *follows* is true."""

    def __init__(self, site):
        self.site, self.world = site, site.world
        self.gate, self.directory = site.world.gate, site.world.directory
        self.follows = True
        self._fake_roles_of = self.directory.roles_of
        self.directory.roles_of = self._roles_of

    async def _roles_of(self, person):
        roles = dict(await self._fake_roles_of(person))
        for tenant in (OWN, OTHER) if self.follows else ():
            member = self.gate.state(tenant).access.members.get(person)
            if member is not None:
                roles[tenant] = member.role
        return roles

    async def invite(self, email=EMAIL, role="editor", tenant=OWN, lasts_us=HOUR_US):
        secret, secret_hash = generate()
        command = InviteMember(
            command_id=new_id(),
            invitation_id=new_id(),
            email=email,
            role=role,
            secret_hash=secret_hash,
            expires_at_us=self.world.clock() + lasts_us,
        )
        assert (await self.gate.command(tenant, command, OPERATOR))["status"] == 200
        self.directory.add_invitation(tenant, command)
        return f"{command.invitation_id}.{secret}"

    async def accept(self, code, password=PASSWORD, **more):
        sent = {"code": code, "password": password}
        return await self.site.ask("POST", PATH, json=sent, **more)

    def members(self, tenant=OWN):
        return {one.email: one.role for one in self.gate.state(tenant).access.members.values()}

    def emails(self):
        return [one.email for one in self.directory.accounts.values()]

    def show_used(self, code):
        """Let the tables know that it was used."""
        invitation_id = code.partition(".")[0]
        found = self.directory.invitations[invitation_id]
        self.directory.invitations[invitation_id] = msgspec.structs.replace(found, state="accepted")


@pytest.fixture
def inviting(site):
    return Inviting(site)


async def test_who_has_nothing_but_the_code_gets_an_account_and_the_role(inviting):
    """In one step: the password opens the account, and the twin is theirs right away."""
    code = await inviting.invite()
    answer = await inviting.accept(code)

    assert answer.status == 200, answer.body
    operation = DOCUMENT["paths"][PATH]["post"]
    valid(operation["responses"]["200"]["content"]["application/json"]["schema"], answer.json)
    person = answer.json["person"]
    assert answer.json == {"tenant": OWN, "person": person, "email": EMAIL, "role": "editor"}
    assert inviting.members() == {EMAIL: "editor"}
    signed_in = await inviting.site.ask(
        "POST", "/v1/sign-in", json={"email": EMAIL, "password": PASSWORD}
    )
    assert (signed_in.status, signed_in.json["roles"]) == (200, {OWN: "editor"})


async def test_the_same_again_is_the_same_answer_and_nothing_happens_twice(inviting):
    """An answer may be lost. Neither before nor after the tables follow is it another one."""
    code = await inviting.invite()
    first = await inviting.accept(code)
    second = await inviting.accept(code)
    inviting.show_used(code)
    third = await inviting.accept(code)

    assert [first.json, second.json] == [third.json, third.json]
    assert len(inviting.emails()) == 1
    commits = [commit for commit in inviting.gate.commits if commit.tenant == OWN]
    names = [type(event).__name__ for commit in commits for event in commit.events]
    assert names.count("InvitationAccepted") == 1


async def test_an_answer_that_was_lost_between_the_two_logs_goes_on(inviting):
    """The account is made, and nobody knows whether the twin has taken them: send it again."""
    code = await inviting.invite()
    inviting.gate.fault = unverified()
    told(await inviting.accept(code), 503, "cannot_verify")
    inviting.gate.fault = None

    assert (await inviting.accept(code)).status == 200
    assert len(inviting.emails()) == 1


async def test_who_has_an_account_shows_its_password(inviting):
    """Or whoever reads an old mail would take the account over; guessing is counted in the log."""
    inviting.directory.add_person("eva", {OTHER: "owner"}, password=PASSWORD)
    code = await inviting.invite()
    told(await inviting.accept(code, "another password"), 401, "sign_in_refused")
    await asyncio.sleep(0)
    assert inviting.world.accounts.failures == ["eva"]
    assert inviting.members() == {}
    answer = await inviting.accept(code)

    assert answer.json["person"] == "eva"
    assert inviting.members() == {EMAIL: "editor"}
    assert inviting.emails() == [EMAIL]


async def test_an_account_without_a_password_is_not_given_one(inviting):
    """Its owner signs in another way, and accepts as somebody who is known."""
    inviting.directory.add_person("eva")
    code = await inviting.invite()
    problem = told(await inviting.accept(code), 409, "password_missing")

    assert "vito account link" in problem.remedy
    assert inviting.directory.accounts["eva"].password_hash == ""
    assert inviting.members() == {}


async def test_a_locked_account_comes_in_nowhere(inviting):
    """In the words of a wrong code."""
    inviting.directory.add_person("eva", locked=True, password=PASSWORD)
    told(await inviting.accept(await inviting.invite()), 401, "invitation_refused")

    assert inviting.members() == {}


@pytest.mark.parametrize("kind", ["wrong secret", "nobody's", "withdrawn", "used by another"])
async def test_a_code_that_is_worth_nothing_makes_no_account(inviting, kind):
    """The same words for all of them, and not a hash is computed for who guesses."""
    code = await inviting.invite()
    invitation_id, _, secret = code.partition(".")
    match kind:
        case "wrong secret":
            code = f"{invitation_id}.{generate()[0]}"
        case "nobody's":
            code = f"{new_id()}.{secret}"
        case "withdrawn":
            withdraw = WithdrawInvitation(command_id="w", invitation_id=invitation_id)
            await inviting.gate.command(OWN, withdraw, OPERATOR)
            found = inviting.directory.invitations[invitation_id]
            shown = msgspec.structs.replace(found, state="withdrawn")
            inviting.directory.invitations[invitation_id] = shown
        case "used by another":
            inviting.show_used(code)
    refused = told(await inviting.accept(code), 401, "invitation_refused")

    assert "withdrawn" in refused.detail
    assert secret not in refused.model_dump_json()
    assert inviting.emails() == []
    assert inviting.members() == {}


async def test_a_withdrawal_that_the_tables_do_not_show_yet_counts(inviting):
    """The twin's log has the last word; in the words of a wrong code."""
    code = await inviting.invite()
    withdraw = WithdrawInvitation(command_id="w", invitation_id=code.partition(".")[0])
    await inviting.gate.command(OWN, withdraw, OPERATOR)

    told(await inviting.accept(code), 401, "invitation_refused")
    assert inviting.members() == {}


async def test_an_invitation_that_has_run_out_is_said_to(inviting):
    """To who has shown the secret; and nobody gets an account by it."""
    code = await inviting.invite()
    inviting.world.clock.now_us = NOW_US + HOUR_US
    told(await inviting.accept(code), 409, "invitation_expired")

    assert inviting.emails() == []


async def test_whoever_guesses_must_wait(inviting):
    """By the invitation: another secret each time, from wherever; the right one waits as well."""
    code = await inviting.invite()
    invitation_id = code.partition(".")[0]
    for _ in range(5):
        told(await inviting.accept(f"{invitation_id}.{generate()[0]}"), 401, "invitation_refused")
    slowed = await inviting.accept(code)
    told(slowed, 429, "sign_in_slowed")
    inviting.world.clock.pass_s(int(slowed.headers["Retry-After"]))

    assert (await inviting.accept(code)).status == 200


async def test_a_bad_password_can_be_corrected(inviting):
    """The code is not used up by it."""
    code = await inviting.invite()
    refused = told(await inviting.accept(code, "short"), 400, "malformed_command")

    assert refused.errors[0].field == "password"
    assert inviting.emails() == []
    assert (await inviting.accept(code)).status == 200


@pytest.mark.parametrize("code", ["", "x", "a" * 12, f"{'a' * 12}.{'0' * 42}", f"../..{'0' * 43}"])
async def test_what_is_no_code_is_named(inviting, code):
    """Before anything is looked up."""
    told(await inviting.accept(code), 400, "malformed_command")

    assert inviting.directory.asked == []


async def test_no_other_page_accepts_for_somebody(inviting):
    """As for signing in."""
    code = await inviting.invite()
    told(
        await inviting.accept(code, headers={"Origin": "https://evil.example"}),
        403,
        "cross_site_refused",
    )


async def test_accepting_twice_before_the_tables_follow_is_answered_truly(inviting, monkeypatch):
    """
    Goal: who has just become a member is not told that the twin is none of their business.
    Method: the tables stand still; the same request again, and another one for the same thing.
    """
    monkeypatch.setattr(opening, "SHOWN_WITHIN_S", 0)
    inviting.follows = False
    inviting.directory.add_person("eva", password=PASSWORD)
    code = await inviting.invite()
    token = bearer(inviting.world.tokens.issue(principal="person_eva", tenant=OWN))
    invitation_id, _, secret = code.partition(".")
    sent = {"invitation_id": invitation_id, "secret": secret, "person": "eva"}
    path = f"/v1/tenants/{OWN}/access/accept"
    first = await inviting.site.post(path, token, sent, key="k1")
    same = await inviting.site.post(path, token, sent, key="k1")
    other = await inviting.site.post(path, token, sent, key="k2")

    assert (first.status, same.status) == (200, 200), same.body
    assert same.headers["Idempotency-Replayed"] == "true"
    told(other, 409, "already_member")
    assert (await inviting.accept(code)).status == 409


async def test_what_is_none_of_a_strangers_business_stays_so(inviting):
    """A wrong secret and a twin that does not exist get the same bytes, as before."""
    inviting.directory.add_person("eva", password=PASSWORD)
    token = bearer(inviting.world.tokens.issue(principal="person_eva", tenant=OWN))
    sent = {"invitation_id": new_id(), "secret": generate()[0], "person": "eva"}
    answers = [
        await inviting.site.post(f"/v1/tenants/{tenant}/access/accept", token, sent)
        for tenant in (OWN, OTHER, "nobody")
    ]

    assert {(answer.status, answer.body) for answer in answers} == {(403, answers[0].body)}
    told(answers[0], 403, "caller_unknown")


async def test_the_command_accepts_over_http(inviting):
    """As `vito member accept` does it; what is refused is said with its remedy."""
    code = await inviting.invite()
    joined = await joining.accept(inviting.site.url, code, PASSWORD)
    assert (joined.tenant, joined.email, joined.role) == (OWN, EMAIL, "editor")

    with pytest.raises(joining.NotJoined, match=r"code is wrong.*an Owner"):
        await joining.accept(inviting.site.url, f"{new_id()}.{generate()[0]}", PASSWORD)
    with pytest.raises(joining.NotJoined, match=r"does not answer.*--api"):
        await joining.accept("http://127.0.0.1:1", code, PASSWORD)
