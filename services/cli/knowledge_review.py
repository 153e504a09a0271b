"""How a review and what was found are shown in a terminal."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.text import Text

from contracts.lookup import FoundPassage, KnowledgeReviewed, Where
from services.audit.words import printable

_EXCERPT = 160


def console() -> Console:
    """A console whose lines are not cut when they are piped."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 200)


def show_review(found: KnowledgeReviewed) -> None:
    """Print a content chunk by chunk, its flags first."""
    out = console()
    out.print(Text(f"{found.source}: {printable(found.title)} ({found.kind})", style="bold"))
    pages = f", {found.pages} pages" if found.pages else ""
    out.print(
        f"content {found.content_hash}\n{found.chunks_total} chunks{pages}, language"
        f" {found.language}, {len(found.flags)} flags"
    )
    if found.approved_hash and found.approved_hash != found.content_hash:
        out.print(f"approved now: {found.approved_hash}")
    out.print(Text(f"\n{printable_lines(found.summary)}\n", style="italic"))
    for flag in found.flags:
        text = f"FLAG {flag.kind}{place(flag.where)}: {printable(flag.excerpt)}"
        out.print(Text(text, style="bold red"))
    for chunk in found.chunks:
        marks = " (new)" if chunk.is_new and found.approved_hash else ""
        marks += f" (also in {', '.join(chunk.also_in)})" if chunk.also_in else ""
        out.print(Text(f"[{chunk.number}]{place(chunk.where)}{marks}", style="dim"))
        out.print(Text(printable_lines(chunk.text)))
    if found.gone_total:
        out.print(Text(f"\n{found.gone_total} chunks of what is approved now are gone:"))
        for text in found.gone:
            out.print(Text(f"- {excerpt(text)}", style="dim"))
    for sample in found.samples:
        out.print(Text(f"\n? {printable(sample.question)}", style="bold"))
        for name, passages in (("here", sample.here), ("today", sample.today)):
            told = "; ".join(_named(one) for one in passages) or "nothing"
            out.print(Text(f"  {name}: {told}"))


def show_found(passages: list[FoundPassage]) -> None:
    """Print what was found, best first, each with where it stands."""
    out = console()
    if not passages:
        out.print("Nothing that was approved has to do with this.")
    for one in passages:
        head = f"{_named(one)} {printable(one.title)}{place(one.where)}"
        out.print(Text(head, style="bold"))
        out.print(Text(f"  {printable_lines(one.text)}"))


def place(where: Where) -> str:
    """Where something stands, after a blank; nothing where there are no places."""
    told = []
    if where.page is not None:
        told.append(f"page {where.page}")
    if where.second is not None:
        told.append(f"{where.second // 60}:{where.second % 60:02}")
    told += [printable(heading) for heading in where.headings[-1:]]
    return f" {', '.join(told)}" if told else ""


def excerpt(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(printable_lines(text).split())
    return line if len(line) <= _EXCERPT else f"{line[:_EXCERPT]}…"


def printable_lines(text: str) -> str:
    """A text whose odd characters are shown, and whose lines are kept."""
    return "\n".join(printable(line) for line in text.split("\n"))


def _named(one: FoundPassage) -> str:
    return f"{one.source}#{one.chunk} ({one.score_permille / 10:.1f}%)"
