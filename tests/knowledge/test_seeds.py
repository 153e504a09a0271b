"""The seeded documents and the questions about them belong together."""

import io
import re
from collections import Counter
from html import unescape

import docx
import pypdf
import pytest

from contracts.knowledge import AddSource
from services.bench.knowledge_questions import QUESTIONS
from services.twins import TWINS
from services.twins.knowledge.catalogue import CC0, FOLDER, SEEDS
from tests.knowledge.printing import PRINTED, text_of

SEED = {(seed.tenant, seed.source): seed for seed in SEEDS}
WORDS_MIN = 180


def plain(text):
    """The text without marks, on one line."""
    text = unescape(re.sub(r"<[^>]+>", " ", text)).replace("**", "").replace("*", "")
    return " ".join(text.split())


def sections(seed):
    """What stands under each heading; a text file is one section without a heading."""
    text = text_of(seed) if seed in PRINTED else seed.read().decode()
    if seed.path.suffix == ".html":
        text = re.sub(r"<h[12]>(.*?)</h[12]>", r"\n## \1\n", text)
    found = {"": plain(text)}
    for part in re.split(r"^##? ", text, flags=re.MULTILINE)[1:]:
        heading, _, rest = part.partition("\n")
        found[plain(heading)] = plain(rest)
    return found


def words(text):
    return re.findall(r"\w+", text.casefold())


def test_there_are_as_many_as_promised():
    """At least thirty documents and sixty questions, for both twins and in both languages."""
    assert len(SEEDS) >= 30
    assert len(QUESTIONS) >= 60
    assert {seed.tenant for seed in SEEDS} == {twin.tenant for twin in TWINS}
    assert min(Counter((q.tenant, q.language) for q in QUESTIONS).values()) >= 7
    assert sum(question.crosses for question in QUESTIONS) >= 15
    assert len({question.text for question in QUESTIONS}) == len(QUESTIONS)


def test_every_file_is_in_the_catalogue_and_the_other_way_round():
    """What lies in the folder without a licence is nobody's."""
    printed_from = {FOLDER / seed.tenant / f"{seed.source}.md" for seed in PRINTED}
    lying = {path for path in FOLDER.glob("*/*") if path.parent.name != "__pycache__"}

    assert lying - printed_from == {seed.path for seed in SEEDS}
    assert {seed.licence for seed in SEEDS} == {CC0}
    assert len(SEED) == len(SEEDS)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"{seed.tenant}-{seed.source}")
def test_a_seed_can_be_added_and_is_worth_asking(seed):
    """Its id, title and name are those of a source; it is long enough to have parts."""
    AddSource(
        command_id="seed",
        source=seed.source,
        kind=seed.kind,
        title=seed.title,
        location=seed.file,
    )
    text = sections(seed)[""]

    assert len(words(text)) >= WORDS_MIN
    assert any((seed.tenant, seed.source) == (q.tenant, q.source) for q in QUESTIONS)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.text)
def test_each_question_is_answered_where_it_says(question):
    """Its source has the heading, and under it the words that answer."""
    found = sections(SEED[question.tenant, question.source])

    assert question.heading in found
    assert question.answer in found[question.heading]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.text)
def test_no_question_copies_its_document(question):
    """Five words in a row would be a search for a quotation."""
    asked = words(question.text)
    text = f" {' '.join(words(sections(SEED[question.tenant, question.source])['']))} "
    copied = [
        " ".join(asked[n : n + 5])
        for n in range(len(asked) - 4)
        if f" {' '.join(asked[n : n + 5])} " in text
    ]

    assert not copied


@pytest.mark.parametrize("seed", PRINTED, ids=lambda seed: seed.file)
def test_what_was_printed_says_what_was_written(seed):
    """Whoever changes the Markdown prints it again: `python -m tests.knowledge.printing`."""
    if seed.path.suffix == ".pdf":
        pages = pypdf.PdfReader(io.BytesIO(seed.read())).pages
        shown = " ".join(page.extract_text() for page in pages)
    else:
        read = docx.Document(io.BytesIO(seed.read()))
        cells = [cell.text for table in read.tables for row in table.rows for cell in row.cells]
        shown = " ".join([*(paragraph.text for paragraph in read.paragraphs), *cells])

    assert Counter(words(shown)) == Counter(words(text_of(seed)))
