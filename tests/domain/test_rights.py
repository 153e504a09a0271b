"""
The matrix of roles (5.3), over every command and every question there is.

What each principal may is written down here a second time, by hand. A command without a line here,
or without a right in the domain, fails.
"""

import pytest

from contracts.access import ROLES, AcceptInvitation, BreakGlass
from contracts.account import PLATFORM
from contracts.commands import NOUN_AND_VERB
from contracts.questions import QUESTIONS
from contracts.tenant import SuspendTenant
from contracts.views import VIEWS
from domain import gate, rights
from domain.rights import RIGHTS
from domain.state import Envelope
from tests import examples
from tests.domain.people import People, key_of, secret
from tests.domain.world import HOUR, NOON, unchanged

SCOPES = ("calls", "agent", "read", "mint", "ingest")
MEMBERS = [f"person_{role}" for role in ROLES]
KEYS = [f"key_{key_of(scope)}" for scope in SCOPES]
STRANGERS = [
    "person_stranger",
    f"key_{key_of('stranger')}",
    f"key_{key_of('over')}",
    f"key_{key_of('revoked')}",
    "person_removed",
    "visitor_v",
    "admin",
    "admin_",
    "person_",
    "root",
    "",
]
VISITOR = f"visitor_{examples.VISITOR}"
PRINCIPALS = ["operator", "admin_root", *MEMBERS, *KEYS, VISITOR, *STRANGERS]

# v e a o: the roles; c g r m i: keys that may make calls, be an agent, read, mint, ingest;
# w: a visitor who was admitted, of its own calls; S: super admin.
TWIN = {
    "tenant provision": "S",
    "tenant suspend": "o S",
    "tenant resume": "o S",
    "tenant show": "veao cgr S",
    "tenant erase": "S",
    "policy set": "o",
    "policy show": "veao r S",
    "price_book set": "S",
    "price_book show": "veao r S",
    "budget authorize": "cgw",
    "budget settle": "cgw",
    "budget extend": "cgw",
    "budget release": "cgw",
    "budget find": "veao cgr S",
    "budget top_up": "o",
    "budget show": "veao cgr S",
    "rate show": "veao cgr S",
    "access invite": "o S",
    "access withdraw": "o S",
    "access accept": "",
    "access change_role": "o",
    "access remove_member": "o",
    "access issue_key": "o",
    "access rotate_key": "o",
    "access revoke_key": "o",
    "access break_glass": "S",
    "access report_denial": "",
    "access show": "o S",
    "prompt save": "eao",
    "prompt activate": "eao",
    "prompt roll_back": "eao",
    "prompt show": "veao r",
    "prompt preview": "veao gr",
    "topics set": "eao",
    "topics roll_back": "eao",
    "topics show": "veao r",
    "topics check": "veao cg",
    "bundle show": "veao g",
    "twin set_identity": "eao",
    "twin refine": "eao",
    "twin set_purpose": "ao",
    "twin begin_calibration": "ao",
    "twin record_sample": "eao cg",
    "twin sign_off": "o",
    "twin retire": "o S",
    "twin show": "veao cgr",
    "deployment create": "eao",
    "deployment change": "eao",
    "deployment set_disclosure": "eao",
    "deployment enable": "eao",
    "deployment disable": "eao S",
    "deployment mint": "eao m",
    "deployment show": "veao cgrm S",
    "knowledge add": "eao",
    "knowledge submit": "eao",
    "knowledge begin_ingestion": "i",
    "knowledge report_progress": "i",
    "knowledge report_ingested": "i",
    "knowledge report_failed": "i",
    "knowledge approve": "ao",
    "knowledge reject": "ao",
    "knowledge retire": "eao",
    "knowledge show": "veao cgri",
    "knowledge search": "veao cgrw",
    "knowledge review": "veao r",
    "knowledge upload": "eao",
    "secret put": "o",
    "secret rotate": "o",
    "secret revoke": "o",
    "secret open": "cg",
    "secret compare": "",
    "secret show": "veao r S",
    "session open": "cgw",
    "session show_disclosure": "cgw",
    "session beat": "cgw",
    "session step": "cgw",
    "session cite": "cg",
    "session close": "cgw",
    "session kill": "ao S",
    "session kill_all": "ao S",
    "session show": "veao cgr S",
    "session find": "veao cgrw S",
    "data_key rotate": "o S",
    "data_key rewrap": "S",
    # What is about accounts is asked of the platform; its own table is below.
    "account found": "",
    "account register": "S",
    "account set_password": "",
    "account rehash_password": "",
    "account issue_link": "S",
    "account open_session": "",
    "account close_sessions": "S",
    "account sign_in_failed": "",
    "account grant_admin": "S",
    "account withdraw_admin": "S",
    "account lock": "S",
    "account unlock": "S",
    "account show": "S",
}
LETTERS = dict(zip([*MEMBERS, *KEYS, VISITOR, "admin_root"], "veaocgrmiwS", strict=True))
COMMANDS = {NOUN_AND_VERB[type(command)]: command for command in examples.COMMANDS}


@pytest.fixture(scope="module")
def twin() -> People:
    people = People()
    for role in ROLES:
        people.join(role, role)
    for scope in SCOPES:
        people.issue(scope, scopes=[scope])
    people.issue("over", scopes=list(SCOPES), expires_at_us=NOON + 1)
    people.issue("revoked", scopes=list(SCOPES))
    people.ask("operator", _of("access", "revoke_key"), key_id=key_of("revoked"))
    people.join("removed", "owner")
    people.ask("operator", _of("access", "remove_member"), person="removed")
    people.now_us += HOUR
    for verb in ("create", "enable", "mint"):
        people.ask_this("operator", COMMANDS["deployment", verb])
    return people


def _of(noun: str, verb: str) -> type:
    return type(COMMANDS[noun, verb])


def why_not(people: People, principal: str, noun: str, verb: str):
    """Why a principal may not, from the function that the gate asks."""
    if (noun, verb) not in COMMANDS:
        return unchanged(
            people.state,
            lambda: rights.why_not_shown(people.state, principal, noun, verb, people.now_us),
        )
    envelope = Envelope(b"", people.now_us, principal)
    barred = gate.barred(people.state, COMMANDS[noun, verb], envelope)
    return None if barred is None else barred[0]


def test_every_command_and_every_question_has_a_right():
    """A command that nobody wrote a right for must not be open, nor closed by accident."""
    asked = {
        *NOUN_AND_VERB.values(),
        *QUESTIONS.values(),
        *((noun, "show") for noun in VIEWS),
    }

    assert set(RIGHTS) == asked
    assert {tuple(line.split()) for line in TWIN} == asked


@pytest.mark.parametrize("line", TWIN)
def test_twin_obeys_the_matrix(twin, line):
    """Every command x every principal: exactly those that the table names."""
    noun, verb = line.split()
    may = {
        principal for principal in PRINCIPALS if why_not(twin, principal, noun, verb) is None
    } - {"operator"}

    assert may == {name for name, letter in LETTERS.items() if letter in TWIN[line]}


@pytest.mark.parametrize("line", TWIN)
def test_a_stranger_is_told_the_same_as_of_a_twin_that_is_not_there(twin, line):
    """Whoever is nobody here must not learn that there is a here."""
    noun, verb = line.split()
    nothing = People("nothing", provisioned=False)

    for principal in STRANGERS:
        refusal = why_not(twin, principal, noun, verb)
        assert refusal is why_not(nothing, principal, noun, verb)
        assert refusal is not None
        assert refusal.code == "caller_unknown"


@pytest.mark.parametrize("line", TWIN)
def test_a_member_is_told_that_it_is_about_their_role(twin, line):
    """A member knows the twin; what helps them is whom to ask."""
    noun, verb = line.split()
    codes = {
        refusal.code
        for principal in (*MEMBERS, *KEYS, VISITOR)
        if (refusal := why_not(twin, principal, noun, verb))
    }

    assert codes <= {"caller_not_allowed"}


def test_the_operator_may_everything(twin):
    """Their credentials are the deployment's own."""
    assert all(why_not(twin, "operator", *line.split()) is None for line in TWIN)


@pytest.mark.parametrize("line", TWIN)
def test_a_broken_glass_opens_questions_and_no_command(twin, line):
    """A super admin may look when they say why; they never act as an Owner."""
    noun, verb = line.split()
    people = People()
    people.ask("admin_root", BreakGlass, reason="ticket", ttl_s=60)
    before = why_not(twin, "admin_root", noun, verb) is None
    owner_sees = verb == "show" and why_not(twin, "person_owner", noun, verb) is None

    assert (why_not(people, "admin_root", noun, verb) is None) == (before or owner_sees)
    assert (why_not(people, "admin_other", noun, verb) is None) == before


def test_what_only_an_owner_sees_opens_with_the_glass_and_closes_again(monkeypatch):
    """The rule itself, on a question that is closed to admins: no view is so today."""
    monkeypatch.setitem(RIGHTS, ("access", "show"), rights.Right("owner"))
    people = People()
    assert why_not(people, "admin_root", "access", "show").code == "caller_not_allowed"

    people.ask("admin_root", BreakGlass, reason="ticket", ttl_s=60)
    assert why_not(people, "admin_root", "access", "show") is None

    people.now_us += 60_000_000
    assert why_not(people, "admin_root", "access", "show").code == "caller_not_allowed"


# p: the person the command is about; q: another one; S: a super admin; L: a locked one
PLATFORM_TABLE = {
    "account found": "",
    "account register": "S",
    "account set_password": "p",
    "account rehash_password": "",
    "account issue_link": "S",
    "account open_session": "p",
    "account close_sessions": "pS",
    "account sign_in_failed": "p",
    "account grant_admin": "S",
    "account withdraw_admin": "S",
    "account lock": "S",
    "account unlock": "S",
    "account show": "S",
    "tenant show": "S",
    "access show": "S",
    "access accept": "",
    "budget top_up": "",
    "budget authorize": "",
    # The accounts are sealed as well; but they are never erased, and are no secrets for a call.
    "data_key rotate": "S",
    "data_key rewrap": "S",
    "secret put": "",
    "secret open": "",
}


@pytest.fixture(scope="module")
def platform() -> People:
    people = People(PLATFORM)
    for name in (examples.PERSON, "other", "late"):
        people.register(name)
    for verb, name in (("grant_admin", "late"), ("lock", "late")):
        people.ask("operator", _of("account", verb), person=name)
    return people


@pytest.mark.parametrize("line", PLATFORM_TABLE)
def test_platform_obeys_its_table(platform, line):
    """People care for their own account; super admins for the platform; nobody for others."""
    noun, verb = line.split()
    letters = {
        f"person_{examples.PERSON}": "p",
        "person_other": "q",
        "admin_root": "S",
        "admin_late": "L",
        "admin_other": "q",
        "person_stranger": "-",
        f"key_{key_of('any')}": "-",
    }
    may = {p for p in letters if why_not(platform, p, noun, verb) is None}

    # Registering is for somebody who has no account yet, which is the stranger's own test below.
    wanted = {p for p, letter in letters.items() if letter in PLATFORM_TABLE[line]}
    assert may == wanted | ({f"person_{examples.PERSON}"} if verb == "register" else set())


def test_who_has_no_account_may_make_their_own_and_nothing_else():
    """The door lets somebody register; under their own name only, and not on a twin."""
    people = People(PLATFORM)

    assert people.register("new", by="person_other").code == "caller_unknown"
    assert type(people.register("new")).__name__ == "AccountRegistered"
    assert People().register("new").code == "caller_unknown"


def test_an_invitation_opens_one_command_to_one_person():
    """Who shows the secret may accept; nothing else, and nobody in their name."""
    people = People()
    people.invite("ana")
    wrong = {"secret": "0" * 43}

    assert people.accept("ana", **wrong).code == "caller_unknown"
    assert people.accept("ana", by="person_bob").code == "caller_unknown"
    assert people.accept("ana", by=f"key_{key_of('ana')}").code == "caller_unknown"
    assert people.ask("person_ana", SuspendTenant).code == "caller_unknown"
    assert type(people.accept("ana")).__name__ == "InvitationAccepted"


def test_an_acceptance_that_is_repeated_gets_its_answer():
    """The door asks again after a lost reply; the invitation is used up by then."""
    people = People()
    people.invite("ana")
    fields = {"invitation_id": "invitationana", "person": "ana"}
    command = AcceptInvitation(command_id="once", secret=secret("ana"), **fields)
    event = people.ask_this("person_ana", command)

    envelope = Envelope(event.fingerprint, people.now_us, "person_ana")
    assert gate.barred(people.state, command, envelope) is None
    assert gate.known(people.state, command, envelope).event == event


def test_doors_can_ask_the_table_itself():
    """What is answered from the tables follows the same matrix."""
    assert rights.role_may("viewer", "budget")
    assert not rights.role_may("editor", "budget", "top_up")
    assert rights.scopes_may(frozenset({"read", "mint"}), "policy")
    assert not rights.scopes_may(frozenset({"mint"}), "policy")
    assert rights.admin_may("tenant", "suspend")
    assert not rights.admin_may("policy", "set")
