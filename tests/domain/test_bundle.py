"""The bundle: everything an agent gets, of one moment, with a number that only grows and a hash."""

import json
from hashlib import sha256

import msgspec
import pytest

from contracts.bundle import PUSH_BYTES_MAX, BundleView
from contracts.prompt import PROMPT_CHARS_MAX, Variable
from contracts.topics import Topic
from contracts.twin import Refinement
from domain import bundle
from domain.views import view
from tests.domain import dna
from tests.domain.governed import HASHES, Governed
from tests.domain.world import NOON, Twin, policy

BETS = Topic(name="apuestas", phrases=["casa de apuestas"])
NAME = Variable(name="user_name", required=True)


def shown(twin: Twin) -> BundleView:
    return view("bundle", twin.state, NOON)


def canonical(found: BundleView) -> bytes:
    """The content as anybody can spell it, from what came over the wire."""
    content = json.loads(msgspec.json.encode(found))["content"]
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_has_what_is_in_force_and_nothing_else():
    """A version that is only saved is nobody's business yet."""
    twin = Twin()
    twin.save("Hola {{user_name}}", variables=[NAME])
    twin.activate(1)
    twin.save("not yet")
    twin.set_topics(BETS)

    content = shown(twin).content

    assert (content.prompt.version, content.prompt.text) == (1, "Hola {{user_name}}")
    assert content.prompt.variables == [NAME]
    assert (content.topics.version, content.topics.topics) == (1, [BETS])


def test_of_a_twin_without_prompt_and_topics_it_says_so():
    """The agent must not make something up."""
    found = shown(Twin())

    assert (found.revision, found.content.prompt) == (0, None)
    assert (found.content.topics.version, found.content.topics.topics) == (0, [])


def test_has_the_identity_that_was_signed_off_and_never_a_draft():
    """What agents play is what the Owner has seen; what waits for a mirror test is not."""
    twin = dna.calibrated()
    before = shown(twin).content.dna
    signed = dna.sign(twin)
    dna.refine(twin, 1_200, 800)
    after = shown(twin).content.dna

    assert shown(twin).revision == signed.decision

    assert before.identity is None
    assert (after.identity.version, after.identity.identity) == (1, dna.identity())
    assert after.identity.refinement == Refinement()


def test_has_the_purpose_as_soon_as_it_is_set():
    """It needs no mirror test, so an agent has it at once; and no other document with it."""
    twin = dna.fresh()
    dna.draft(twin)
    assert shown(twin).content.dna is None

    dna.aim(twin)
    dna.aim(twin, call_to_action="¡Bájala!")

    found = shown(twin).content.dna
    assert (found.purpose.version, found.purpose.purpose.call_to_action) == (2, "¡Bájala!")
    assert found.identity is None


def test_its_revision_grows_with_every_change_and_with_nothing_else():
    """Two changes in one commit have one position; their revisions are two."""
    twin = Twin(policy(100_000))
    seen = [shown(twin).revision]
    for change in (
        lambda: [twin.save("one"), twin.activate(1)],
        lambda: [twin.save("two"), twin.activate(2)],
        lambda: twin.roll_back(1),
        lambda: twin.set_topics(BETS),
        twin.set_topics,
        lambda: twin.roll_back_topics(1),
        lambda: dna.aim(twin),
        lambda: dna.aim(twin, audience="Fans"),
        lambda: dna.activated(twin),
        lambda: dna.activated(twin),
    ):
        change()
        seen.append(shown(twin).revision)
        twin.save("another draft")
        twin.activate(99)
        twin.authorize(1)
        dna.draft(twin)
        dna.refine(twin)
        dna.sign(twin)
        assert shown(twin).revision == seen[-1]

    assert seen == sorted(set(seen))


def test_the_hash_is_of_the_content_as_anybody_can_spell_it():
    """An agent in another language proves what it was told, without our encoder."""
    twin = Twin()
    twin.save('«¡Goooool!» \\ "\n\t\u2028 👩\u200d🎤 {{user_name}}', variables=[NAME])
    twin.activate(1)
    twin.set_topics(BETS)
    found = shown(twin)

    assert found.hash == sha256(canonical(found)).hexdigest()


@pytest.mark.parametrize("change", [lambda t: t.roll_back(1), lambda t: t.set_topics(BETS)])
def test_the_hash_changes_with_the_content_and_comes_back_with_it(change):
    """The same content has the same hash, whatever happened between."""
    twin = Twin()
    twin.save("one")
    twin.save("two")
    twin.set_topics()
    twin.activate(2)
    before = shown(twin).hash

    change(twin)
    changed = shown(twin).hash
    if twin.state.prompts.active == 1:
        twin.activate(2)
    else:
        twin.roll_back_topics(1)

    assert changed != before
    assert shown(twin).hash == before


def test_the_largest_bundle_is_larger_than_a_push():
    """The control of the bound: there is a bundle that must be fetched."""
    twin = Twin()
    twin.save("😀" * PROMPT_CHARS_MAX)
    twin.activate(1)
    words = [f"{'😀' * 60}x{n}" for n in range(100)]
    twin.set_topics(*(Topic(name=str(n), phrases=words) for n in range(7)))
    found = shown(twin)

    assert len(msgspec.json.encode(found)) > PUSH_BYTES_MAX
    notice = bundle.notice(found)
    assert (notice.content, notice.revision, notice.hash) == (None, found.revision, found.hash)


def test_every_event_that_changes_it_is_known_to_change_it():
    """One that is forgotten in CHANGES would never be pushed."""
    twin = Governed(policy(100_000))
    twin.save("one")
    twin.save("two")
    changing = set()
    for act in (
        lambda: twin.activate(1),
        lambda: twin.roll_back(2),
        lambda: twin.set_topics(BETS),
        twin.set_topics,
        lambda: twin.roll_back_topics(1),
        lambda: twin.save("three"),
        lambda: twin.authorize(1),
        lambda: twin.top_up(1),
        lambda: dna.draft(twin),
        lambda: dna.refine(twin),
        lambda: dna.aim(twin),
        lambda: dna.begin(twin),
        lambda: dna.sample(twin),
        lambda: dna.sample(twin),
        lambda: dna.sample(twin),
        lambda: dna.sign(twin),
        twin.reviewable,
        twin.approve,
        twin.retire,
    ):
        before = shown(twin).hash
        event = act()
        if shown(twin).hash != before:
            changing.add(type(event))

    assert changing == bundle.CHANGES
    assert {"prompt", "topics", "twin", "knowledge"} == bundle.NOUNS


def test_has_the_knowledge_that_a_person_approved_and_no_draft():
    """What an agent may look up is pinned by the hash that was reviewed."""
    twin = Governed()
    before = shown(twin)
    assert before.content.knowledge == []
    twin.reviewable(HASHES[0])
    assert shown(twin).hash == before.hash
    approved = twin.approve(HASHES[0])
    twin.reviewable(HASHES[1])

    found = shown(twin)

    assert [(one.source, one.content_hash) for one in found.content.knowledge] == [
        ("rules", HASHES[0])
    ]
    assert found.revision == approved.decision
    retired = twin.retire()
    assert (shown(twin).revision, shown(twin).content.knowledge) == (retired.decision, [])
