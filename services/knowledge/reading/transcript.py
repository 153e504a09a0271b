"""What is said in a recording, with the second of each line."""

from __future__ import annotations

import msgspec

from services.knowledge.document import Reading
from services.knowledge.fetched import TRANSCRIPT, Fetched, Transcript
from services.knowledge.problem import IngestionProblem
from services.knowledge.reading.limits import Limits
from services.knowledge.reading.notebook import Notebook


def reading_of(fetched: Fetched, limits: Limits) -> Reading:
    """Return what a transcript says; raises IngestionProblem."""
    try:
        transcript = msgspec.json.decode(fetched.body, type=Transcript)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise IngestionProblem("damaged", "Its transcript is not written as ours are.") from None
    notebook = Notebook(limits)
    for line in sorted(transcript.lines, key=lambda one: one.start_ms):
        notebook.add("speech", " ".join(line.text.split()), second=max(line.start_ms, 0) // 1_000)
    return notebook.reading(TRANSCRIPT, transcript.title or fetched.title)
