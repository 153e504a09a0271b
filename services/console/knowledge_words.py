"""What kinds, stages, failures and flags of sources are called: words for people."""

from __future__ import annotations

from typing import Final

# By what it is of, and the word of the contracts.
WORDS: Final[dict[str, str]] = {
    "kind.pdf": "PDF",
    "kind.docx": "Word document",
    "kind.html": "HTML file",
    "kind.markdown": "Markdown file",
    "kind.text": "Text file",
    "kind.youtube": "YouTube video",
    "kind.web": "Web page",
    "kind.api": "JSON feed",
    "stage.pending": "waits to be read",
    "stage.ingesting": "is being read",
    "stage.review": "wants a review",
    "stage.approved": "is live",
    "stage.rejected": "was rejected",
    "stage.failed": "could not be read",
    "stage.retired": "is retired",
    "step.fetching": "fetching it",
    "step.reading": "reading it",
    "step.cutting": "cutting it into passages",
    "step.embedding": "making it findable",
    "flag.zero_width": "Characters without width are hidden in it",
    "flag.bidi": "Characters turn the order of the text around",
    "flag.tag_characters": "Invisible characters spell something",
    "flag.same_colour": "Text in the colour of its background, which nobody sees",
    "flag.tiny": "Text too small to be read",
    "flag.not_shown": "Text that is not shown",
    "flag.not_read": "Stands beside the text; it was not read and is never used",
    "flag.instruction": "Speaks to the model instead of saying something",
    "failed.address_refused": "Its address leads to where nothing may be fetched from. Give the"
    " public address of the page.",
    "failed.not_found": "There was nothing to read. Look at the address, or bring the file again.",
    "failed.unreachable": "Nobody answers at its address. Try again later.",
    "failed.blocked": "The site lets no programs in. Save the page as a file and bring that.",
    "failed.too_slow": "It took too long. Try again later, or bring it in parts.",
    "failed.transcripts_disabled": "The video has no transcript. Bring what is said in it as a"
    " text file.",
    "failed.video_unavailable": "The video is private or is no more. Look at its address.",
    "failed.too_large": "It is too large. Bring it in parts.",
    "failed.wrong_type": "It is not what its name says, or nothing that can be read. Save it as"
    " PDF, Word, HTML, Markdown or text.",
    "failed.encrypted": "It is locked with a password. Take the password away and bring it again.",
    "failed.damaged": "The file is damaged. Save it anew and bring it again.",
    "failed.no_text": "There is no text in it: perhaps its pages are pictures. Have their text"
    " recognised and bring it again.",
    "failed.too_many_pages": "It has too many pages. Bring it in parts.",
    "failed.too_deep": "It is nested too deeply. Save it in a simpler form.",
    "failed.too_much_memory": "It takes too much memory to read. Bring it in parts.",
    "failed.not_authorised": "The gate has not granted the call that it takes. Look at the last"
    " refusals, then have it read again.",
    "failed.stopped": "A fault on our side stopped it. Have it read again.",
}
