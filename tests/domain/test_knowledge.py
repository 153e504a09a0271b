"""Knowledge: a person asks for it, a service brings it, a person approves exactly that."""

import pytest

from contracts.knowledge import (
    AddSource,
    ApproveSource,
    BeginIngestion,
    IngestionBegun,
    RejectSource,
    ReportFailed,
    ReportIngested,
    RetireSource,
    SourceAdded,
    SourceApproved,
    SourceRetired,
    SubmitSource,
)
from domain import access, knowledge
from domain.answer import answer
from domain.refusals import TOO_MANY_SOURCES
from tests import examples
from tests.domain.governed import HASHES, Governed
from tests.domain.world import NOON

FIRST, SECOND, THIRD = HASHES[:3]


@pytest.fixture
def twin() -> Governed:
    return Governed()


def role(twin: Governed, name: str) -> Governed:
    """The twin as a member with this role asks it."""
    twin.state.access.members[name] = access.Member(name)
    twin.actor = f"person_{name}"
    return twin


class TestLifeCycle:
    def test_from_a_link_to_approved_content(self, twin):
        """The way of the document: added, ingesting, review, approved."""
        added = twin.add()
        assert isinstance(added, SourceAdded)
        stages = [twin.source().stage]
        for step in (twin.begin, twin.ingested, twin.approve):
            step()
            stages.append(twin.source().stage)

        assert stages == ["pending", "ingesting", "review", "approved"]
        found = twin.source()
        assert (found.approved_hash, found.approved_chunks) == (FIRST, 12)
        assert (found.approved_by, found.approved_at_us) == ("operator", NOON)
        assert found.draft_hash == ""

    def test_nothing_may_be_used_before_it_is_approved(self, twin):
        """Neither while it comes in, nor while it is read, nor when it was rejected."""
        twin.add()
        for step in (twin.begin, twin.ingested, twin.reject):
            assert twin.source().approved_hash == ""
            step()
        assert (twin.source().stage, twin.source().approved_hash) == ("rejected", "")

    def test_changed_content_needs_a_new_approval_and_the_old_one_stays_meanwhile(self, twin):
        """A twin must neither lose what it knows nor learn what nobody has read."""
        twin.reviewable()
        twin.approve()
        for step in (twin.submit, twin.begin, lambda: twin.ingested(SECOND)):
            step()
            assert twin.source().approved_hash == FIRST
        assert (twin.source().stage, twin.source().draft_hash) == ("review", SECOND)

        assert isinstance(twin.approve(SECOND), SourceApproved)
        assert twin.source().approved_hash == SECOND

    def test_a_rejected_change_leaves_the_old_content_approved(self, twin):
        """To say no to the new is not to say no to the old."""
        twin.reviewable()
        twin.approve()
        twin.reviewable(SECOND)

        twin.reject(SECOND)

        assert (twin.source().stage, twin.source().approved_hash) == ("rejected", FIRST)

    def test_content_that_did_not_change_stays_approved(self, twin):
        """The same hash was read by a person already."""
        twin.reviewable()
        twin.approve()

        event = twin.reviewable()

        assert event.is_new is False
        assert (twin.source().stage, twin.source().approved_hash) == ("approved", FIRST)
        assert twin.approve().code == "source_not_at_stage"

    def test_content_that_was_approved_once_and_replaced_is_new_again(self, twin):
        """Only what is approved now needs no review."""
        for content in (FIRST, SECOND):
            twin.reviewable(content)
            twin.approve(content)

        assert twin.reviewable(FIRST).is_new

    def test_a_failed_ingestion_can_be_asked_for_again(self, twin):
        """The site was down; the reason is in the log."""
        twin.add()
        twin.begin()
        assert twin.failed().reason == "404 at the source"
        assert twin.source().stage == "failed"
        assert twin.begin().code == "source_not_at_stage"

        twin.submit()

        assert isinstance(twin.begin(), IngestionBegun)

    def test_what_is_retired_is_not_used_and_does_not_come_back(self, twin):
        """Nor does what was on its way."""
        twin.reviewable()
        twin.approve()
        twin.submit()
        begun = twin.begin()
        assert isinstance(twin.retire(), SourceRetired)

        assert (twin.source().approved_hash, twin.source().approved_by) == ("", "")
        for refusal in (
            twin.ingested(ingestion=begun.decision),
            twin.submit(),
            twin.begin(),
            twin.approve(),
            twin.retire(),
        ):
            assert refusal.code == "source_not_at_stage"
        assert twin.add().code == "source_exists"


class TestPinning:
    def test_only_the_hash_under_review_can_be_approved_or_rejected(self, twin):
        """Who has read one version must not approve another."""
        twin.reviewable()

        for act in (twin.approve, twin.reject):
            refusal = act(SECOND)
            assert (refusal.code, refusal.status) == ("content_not_reviewed", 409)
            assert refusal.facts == {"draft_hash": FIRST}
        assert isinstance(twin.approve(FIRST), SourceApproved)

    def test_an_approval_of_what_has_changed_meanwhile_is_refused(self, twin):
        """The page was open over lunch; the source was ingested again."""
        twin.reviewable(FIRST)
        twin.reviewable(SECOND)

        assert twin.approve(FIRST).code == "content_not_reviewed"
        assert twin.source().approved_hash == ""

    def test_a_draft_that_is_being_replaced_cannot_be_approved(self, twin):
        """From the moment that somebody asks for a new one."""
        twin.reviewable()
        twin.submit()
        assert twin.approve().facts == {"stage": "pending", "needed": "review"}
        twin.begin()
        assert twin.approve().facts["stage"] == "ingesting"

    def test_a_report_of_an_ingestion_that_was_begun_again_is_dropped(self, twin):
        """A slow service must not overwrite what a later one has found."""
        twin.add()
        first = twin.begin()
        second = twin.begin()

        late = twin.ingested(ingestion=first.decision)

        assert (late.code, late.status) == ("ingestion_stale", 409)
        assert late.facts == {"current": second.decision}
        assert twin.failed(ingestion=first.decision).code == "ingestion_stale"
        assert twin.ingested(ingestion=second.decision).is_new

    def test_nothing_is_ingested_that_nobody_asked_for(self, twin):
        """Auto-scraping is forbidden: a service may begin only where a person has asked."""
        twin.reviewable()
        assert twin.begin().code == "source_not_at_stage"
        twin.approve()
        assert twin.begin().code == "source_not_at_stage"
        assert twin.ingested(SECOND).code == "source_not_at_stage"

    def test_the_answer_to_a_beginning_names_the_ingestion(self, twin):
        """The service must say it in its report."""
        twin.add()
        begun = twin.begin()

        assert answer("cantor", begun, 3).facts == {
            "source": "rules",
            "ingestion": begun.decision,
            "attempt": 1,
        }

    def test_beginnings_are_counted_until_one_comes_a_step_further(self, twin):
        """Who is taken up again and again without that has something in it that ends readers."""
        twin.add()
        attempts = [twin.begin().attempt, twin.begin().attempt]
        twin.advanced("fetching")
        attempts += [twin.begin().attempt, twin.begin().attempt]
        twin.failed()
        twin.submit()

        assert [*attempts, twin.begin().attempt] == [1, 2, 1, 2, 1]


class TestRights:
    COMMANDS = (
        AddSource,
        SubmitSource,
        BeginIngestion,
        ReportIngested,
        ReportFailed,
        ApproveSource,
        RejectSource,
        RetireSource,
    )

    @pytest.mark.parametrize(
        ("who", "may"),
        [
            ("viewer", ()),
            ("editor", (AddSource, SubmitSource, RetireSource)),
            ("approver", (AddSource, SubmitSource, ApproveSource, RejectSource, RetireSource)),
            ("owner", (AddSource, SubmitSource, ApproveSource, RejectSource, RetireSource)),
        ],
    )
    def test_of_people(self, twin, who, may):
        """The column «Approve Knowledge?» of the matrix, and who prepares it."""
        role(twin, who)

        allowed = {
            kind
            for kind in self.COMMANDS
            if twin.barred(examples_of(kind), f"person_{who}") is None
        }
        assert allowed == set(may)

    @pytest.mark.parametrize("scope", ["calls", "agent", "read", "mint", "ingest"])
    def test_of_keys(self, twin, scope):
        """A key with the scope `ingest` reports; no key ever approves."""
        twin.state.access.keys["k1"] = access.Key([scope])

        allowed = {
            kind for kind in self.COMMANDS if twin.barred(examples_of(kind), "key_k1") is None
        }
        expected = {BeginIngestion, ReportIngested, ReportFailed} if scope == "ingest" else set()
        assert allowed == expected

    @pytest.mark.parametrize("actor", ["key_k1", "visitor_" + "a" * 16])
    def test_no_machine_approves_whatever_the_table_of_rights_says(self, twin, actor):
        """The second lock: a wrong line in the table must not approve by itself."""
        twin.reviewable()
        twin.actor = actor

        assert twin.approve().code == "person_needed"
        assert twin.reject().code == "person_needed"
        assert twin.source().stage == "review"

    def test_an_editor_retires_drafts_and_an_approver_everything(self, twin):
        """What the public hears is taken away by who may put it there."""
        twin.reviewable("e" * 64, "draft")
        twin.reviewable()
        twin.approve()

        role(twin, "editor")
        assert isinstance(twin.retire("draft"), SourceRetired)
        refusal = twin.retire()
        assert (refusal.code, refusal.status) == ("approver_needed", 403)
        twin.submit()
        assert twin.retire().code == "approver_needed", "its old content is still approved"
        twin.actor = "key_k1"
        assert twin.retire().code == "approver_needed"
        twin.actor = "person_stranger"
        assert twin.retire().code == "approver_needed"
        role(twin, "approver")
        assert isinstance(twin.retire(), SourceRetired)


def examples_of(kind):
    return next(command for command in examples.COMMANDS if type(command) is kind)


class TestBounds:
    @pytest.mark.parametrize(
        ("kind", "location"),
        [
            ("web", "https://example.com"),
            ("web", "http://example.com:8080/a?b=c#d"),
            ("web", "https://es.wikipedia.org/wiki/Fútbol"),
            ("api", "https://api.sportradar.example/v4/matches?live=true"),
            ("youtube", "https://www.youtube.com/watch?v=dQw4w9WgXcQ"),
            ("youtube", "https://YouTu.be/dQw4w9WgXcQ"),
            ("pdf", "Reglas del Fútbol (2026).pdf"),
            ("text", "notas.txt"),
        ],
    )
    def test_a_location_is_an_address_or_the_name_of_a_file(self, twin, kind, location):
        """And is kept as it was typed."""
        assert twin.add(kind=kind, location=location).location == location

    @pytest.mark.parametrize(
        ("kind", "location", "rule"),
        [
            ("web", "example.com", "begins with https://"),
            ("web", "file:///etc/passwd", "begins with https://"),
            ("web", "javascript:alert(1)", "begins with https://"),
            ("web", "https://user:password@example.com", "without user name"),
            ("web", "https://example.com\\@evil.example", "begins with"),
            ("web", "https://example.com /a", "begins with"),
            ("web", "https://", "begins with"),
            ("api", "https://example.com/a b", "begins with"),
            ("youtube", "https://youtube.com.evil.example/watch", "youtube.com"),
            ("youtube", "http://www.youtube.com/watch?v=a", "https address"),
            ("youtube", "https://vimeo.com/1", "youtube.com"),
            ("pdf", "../../etc/passwd", "name of a file"),
            ("pdf", "C:\\rules.pdf", "name of a file"),
            ("text", "..", "name of a file"),
            ("text", "...", "at least one letter"),
        ],
    )
    def test_any_other_location_is_refused_with_its_rule(self, twin, kind, location, rule):
        """The ingesting service will go there."""
        refusal = twin.add(kind=kind, location=location)

        assert (refusal.code, refusal.status) == ("source_invalid", 422)
        assert refusal.facts["field"] == "location"
        assert rule in refusal.facts["rule"]

    def test_a_title_that_cannot_be_read_is_refused(self, twin):
        """An approver has to tell sources apart."""
        assert twin.add(title=" - ").facts["field"] == "title"

    def test_sources_are_bounded_and_retired_ones_make_room(self, twin, monkeypatch):
        """A state is bounded; the remedy of the refusal works."""
        monkeypatch.setattr(knowledge, "SOURCES_MAX", 2)
        twin.add("a")
        twin.add("b")
        assert twin.add("c").code == "too_many_sources"

        twin.retire("a")

        assert isinstance(twin.add("c"), SourceAdded)
        assert list(twin.state.knowledge.sources) == ["b", "c"]
        assert str(1_000) in TOO_MANY_SOURCES.message

    @pytest.mark.parametrize(
        "act",
        ["submit", "begin", "ingested", "failed", "approve", "reject", "retire"],
    )
    def test_what_is_not_there_cannot_be_decided_about(self, twin, act):
        """Of a twin that is there and of one that is not."""
        assert getattr(twin, act)().code == "source_unknown"
        nobody = Governed(provisioned=False)
        assert getattr(nobody, act)().code == "twin_unknown"
        assert nobody.add().code == "twin_unknown"


class TestProgress:
    """How far an ingestion is, for people who wait and for a worker that takes it up."""

    def test_each_step_is_told_once_and_none_after_a_later_one(self, twin):
        """Four events a source at most, however often a worker tries."""
        twin.add()
        twin.begin()
        assert twin.advanced("reading", kept=FIRST).kept == FIRST
        assert (twin.source().step, twin.source().kept) == ("reading", FIRST)

        for step in ("fetching", "reading"):
            assert twin.advanced(step).code == "progress_not_forward"

        assert twin.advanced("embedding").step == "embedding"
        assert twin.source().kept == FIRST

    def test_who_takes_it_up_goes_on_and_what_a_person_asks_for_begins_anew(self, twin):
        """A dead worker's pages need not be fetched twice; a new edition must be."""
        twin.add()
        twin.begin()
        twin.advanced("reading", kept=FIRST)
        twin.begin()
        assert (twin.source().step, twin.source().kept) == ("reading", FIRST)

        twin.submit()
        assert (twin.source().step, twin.source().kept) == ("", "")

    def test_it_ends_with_the_ingestion(self, twin):
        """Nothing of a finished one is gone on with."""
        for end in (twin.ingested, twin.failed):
            name = end.__name__
            twin.add(name)
            twin.begin(name)
            twin.advanced("cutting", name, kept=FIRST)
            end(name=name)
            assert (twin.source(name).step, twin.source(name).kept) == ("", "")


class TestFlags:
    """Hidden text and instructions to the model: who approves says that they saw them all."""

    def test_all_of_them_and_no_more(self, twin):
        """A number that is wrong says for sure that somebody did not look."""
        twin.reviewable(FIRST, flags=2)
        for seen in (0, 1, 3):
            refusal = twin.approve(FIRST, flags_seen=seen)
            assert (refusal.code, refusal.facts) == ("flags_not_seen", {"flags": 2})

        assert twin.approve(FIRST, flags_seen=2).flags == 2

    def test_they_are_those_of_this_draft(self, twin):
        """A clean edition is approved without; nothing is left of the one before."""
        twin.reviewable(FIRST, flags=2)
        twin.reviewable(SECOND)

        assert twin.approve(SECOND).flags == 0


class TestUploads:
    """A file is named by its hash, and only what is a file has one."""

    def test_a_new_file_may_come_before_the_last_one_was_read(self, twin):
        """Somebody has seen that it was the wrong one."""
        file = {"kind": "pdf", "location": "reglas.pdf"}
        assert twin.add(**file, upload=FIRST).upload == FIRST
        assert twin.submit().code == "source_not_at_stage"
        assert twin.submit(upload=SECOND).upload == SECOND

        assert (twin.source().stage, twin.source().upload) == ("pending", SECOND)

    def test_what_has_an_address_takes_no_file(self, twin):
        """It would never be read."""
        refusal = twin.add(upload=FIRST)
        assert (refusal.code, refusal.facts["field"]) == ("source_invalid", "upload")
        twin.add()
        assert twin.submit(upload=FIRST).facts["field"] == "upload"

    @pytest.mark.parametrize("location", ["newsapi:words=gol&most=3", "sportradar:"])
    def test_a_vendors_feed_is_an_address_too(self, twin, location):
        """Its name and what is asked of it, as the feeds are fetched."""
        assert isinstance(twin.add(kind="api", location=location), SourceAdded)

    def test_no_source_is_called_as_a_path_of_the_api(self, twin):
        """`knowledge/search` looks something up."""
        assert twin.add("search").facts["field"] == "source"
