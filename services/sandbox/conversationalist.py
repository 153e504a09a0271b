"""
The sandbox's language model: a small scripted conversationalist, no model at all.

It answers in the language of its system prompt (Spanish or English), under the name and with a
phrase of the persona that it finds there. In this order:

    the last message is a tool's result      it tells what the result says
    live data is asked for, a tool fits      it asks for that tool
    a greeting                               it greets back
    excerpts stand before the message        it tells the one that fits best, by its number
    anything else                            it takes the message up, and quotes it

The same messages always get the same answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias
from zlib import crc32

import msgspec

Language: TypeAlias = Literal["es", "en"]
QUOTE_MAX = 120
TOLD_MAX = 3
RESULT_MAX = 400
FLAT_MAX = 12
_STEM = 4


class Line(msgspec.Struct, frozen=True):
    """A message as the model reads it."""

    role: str
    content: str


class Offer(msgspec.Struct, frozen=True):
    """A tool that it may ask for; *parameters* is a JSON schema."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = {}


class Wish(msgspec.Struct, frozen=True):
    """It wants a tool called with these arguments."""

    name: str
    arguments: dict[str, Any]


# What people ask for, and how tools that have it describe themselves.
_TOPICS = (
    (
        {"marcador", "resultado", "resultados", "gol", "goles", "partido", "score", "scores"}
        | {"match", "ganando", "gana", "perdiendo", "winning", "juega", "playing", "fixture"},
        ("score", "marcador", "match", "fixture", "soccer", "football", "futbol", "partido"),
    ),
    (
        {"noticia", "noticias", "news", "headline", "headlines", "actualidad", "novedades"},
        ("news", "noticia", "headline", "actualidad"),
    ),
)
_GREETINGS = {"hola", "buenas", "buenos", "hello", "hi", "hey", "saludos", "che"}
_SPANISH = {"eres", "sos", "responde", "habla", "hablas", "español", "castellano", "el", "la"}
_SPANISH |= {"de", "que", "los", "una", "con", "para", "en", "spanish", "tono", "siempre"}
_SPANISH |= {"hola", "gracias", "buenas", "es", "un", "y", "cómo"}
_ENGLISH = {"you", "are", "the", "of", "and", "english", "with", "always", "answer", "speak", "is"}
_tag = re.compile(r"\b(es|en)[-_][A-Z]{2}\b")
_NAME = r"(?:[A-ZÁÉÍÓÚÑ][\wáéíóúñ]+)(?: [A-ZÁÉÍÓÚÑ][\wáéíóúñ]+){0,3}"
_name = re.compile(rf"(?:\b[Yy]ou are|\b[Ee]res|\b[Ss]os|\b[Nn]ame:|\b[Nn]ombre:) ({_NAME})")
_named = re.compile(rf"(?<=[a-záéíóúñ] )({_NAME})")
_exclaimed = re.compile(r"¡[^!]{1,40}!")
_quoted = re.compile(r"[«“\"]([^»”\"]{3,60})[»”\"]")


def respond(lines: list[Line], offers: Iterable[Offer] = ()) -> str | Wish:
    """Answer the last of *lines*, or ask for one of the tools."""
    persona = "\n".join(line.content for line in lines if line.role in ("system", "developer"))
    last = lines[-1]
    language = language_of(persona or last.content)
    if last.role == "tool":
        return _told(last.content, language, persona)
    words = _words(last.content)
    if wish := _wish(words, last.content, offers):
        return wish
    if words & _GREETINGS and len(words) <= 6:  # noqa: PLR2004 - longer ones say more than hello
        return _greeted(language, persona)
    if excerpts := _excerpts(lines[:-1]):
        return _known(excerpts, words, language)
    return _taken_up(last.content, language, persona)


def _excerpts(lines: list[Line]) -> list[tuple[str, str]]:
    """Sentences of numbered excerpts, as they are put before a question: `| ` begins each."""
    if not lines or lines[-1].role != "user":
        return []
    found, number = [], ""
    for line in lines[-1].content.splitlines():
        if head := re.match(r"\[(\d+)\] ", line):
            number = head[1]
        elif number and line.startswith("| "):
            sentences = re.split(r"(?<=[.!?]) +", line[2:])
            found += [(number, one) for one in sentences if len(one) > FLAT_MAX]
    return found


def _known(excerpts: list[tuple[str, str]], asked: set[str], language: Language) -> str:
    """Tell the sentence that has most of the question's longer words, early ones before late."""
    stems = {word[:_STEM] for word in asked if len(word) >= _STEM}

    def fits(at: int) -> tuple[int, int]:
        words = {word[:_STEM] for word in _words(excerpts[at][1])}
        return len(words & stems), -at

    number, told = excerpts[max(range(len(excerpts)), key=fits)]
    begin = "Según lo que sé" if language == "es" else "From what I know"
    return f"{begin} [{number}]: {told[:RESULT_MAX]}"


def language_of(text: str) -> Language:
    """Spanish or English: a language tag says it, or the commoner small words do."""
    if found := _tag.search(text):
        return "es" if found[1] == "es" else "en"
    words = re.findall(r"\w+", text.casefold())
    spanish = sum(word in _SPANISH for word in words) + len(re.findall("[¡¿ñ]", text))
    return "es" if spanish > sum(word in _ENGLISH for word in words) else "en"


def _wish(words: set[str], question: str, offers: Iterable[Offer]) -> Wish | None:
    for asked, describing in _TOPICS:
        if not words & asked:
            continue
        for offer in offers:
            about = _plain(f"{offer.name} {offer.description}")
            if any(word in about for word in describing):
                return Wish(offer.name, _arguments(offer.parameters, question))
    return None


def _arguments(schema: Mapping[str, Any], question: str) -> dict[str, Any]:
    """
    Fill what the schema requires; texts are the question, the rest the least that is allowed.

    Where nothing is required, the first field is whom the question names, if it names anybody.
    """
    properties = schema.get("properties") or {}
    least: dict[str, Any] = {"integer": 1, "number": 1, "boolean": False, "array": [], "object": {}}
    filled: dict[str, Any] = {}
    if not schema.get("required"):
        named = _named.search(question)
        return {next(iter(properties)): named[1]} if named and properties else {}
    for name in schema["required"]:
        wanted = properties.get(name) or {}
        if wanted.get("enum"):
            filled[name] = wanted["enum"][0]
        else:
            filled[name] = least.get(wanted.get("type", "string"), _short(question))
    return filled


def _told(result: str, language: Language, persona: str) -> str:
    said = _readable(result)
    if not said:
        return {
            "es": "No tengo ese dato ahora mismo; te lo cuento en cuanto llegue.",
            "en": "I do not have that right now; I will tell you as soon as it arrives.",
        }[language]
    opening = {"es": "Te cuento lo último:", "en": "Here is the latest:"}[language]
    return " ".join(part for part in (opening, said, _phrase(persona)) if part)


def _greeted(language: Language, persona: str) -> str:
    name = found[1] if (found := _name.search(persona)) else ""
    if language == "es":
        who = f"¡Hola! Soy {name}." if name else "¡Hola!"
        said = f"{who} ¿De qué querés que hablemos?"
    else:
        who = f"Hello! I am {name}." if name else "Hello!"
        said = f"{who} What would you like to talk about?"
    return " ".join(part for part in (said, _phrase(persona)) if part)


def _taken_up(message: str, language: Language, persona: str) -> str:
    ways = {
        "es": (
            "Me preguntás «{0}». Vamos por partes: es un gran tema y da para hablar un buen rato.",
            "«{0}», buena pregunta. Lo primero es mirar el contexto; después vienen los detalles.",
            "Sobre «{0}» te digo lo que pienso: hay que mirarlo con calma y sin apuro.",
        ),
        "en": (
            "You ask “{0}”. Let us take it step by step: there is a lot to say about it.",
            "“{0}”, good question. First comes the context, then come the details.",
            "About “{0}” I will tell you what I think: it deserves a calm look.",
        ),
    }[language]
    said = ways[crc32(message.encode()) % len(ways)].format(_short(message))
    return " ".join(part for part in (said, _phrase(persona)) if part)


def _phrase(persona: str) -> str:
    """What this persona likes to say, if its prompt has an exclamation or something in quotes."""
    if found := _exclaimed.search(persona):
        return found.group()
    return found[1] if (found := _quoted.search(persona)) else ""


def _readable(result: str) -> str:
    try:
        found = msgspec.json.decode(result)
    except msgspec.MsgspecError:
        return _short(result, RESULT_MAX)
    if told := [sentence for one in _objects(found) if (sentence := _sentence(one))]:
        return _short("; ".join(told[:TOLD_MAX]), RESULT_MAX) + "."
    flat = list(_flat(found, ""))[:FLAT_MAX]
    return _short(", ".join(flat), RESULT_MAX) + ("." if flat else "")


def _objects(value: Any) -> Iterable[Mapping[str, Any]]:
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from _objects(one)
    elif isinstance(value, list):
        for one in value:
            yield from _objects(one)


def _sentence(found: Mapping[str, Any]) -> str:
    """Say a match or a headline as a person would; empty for anything else."""
    if {"home", "away"} <= found.keys():
        score = f"{found.get('home_goals', '')} - {found.get('away_goals', '')}".strip()
        clock = f" ({found['clock']})" if found.get("clock") else ""
        return f"{found['home']} {score} {found['away']}{clock}"
    if {"title", "source"} <= found.keys():
        return f"«{found['title']}», {found['source']}"
    return ""


def _flat(value: Any, name: str) -> Iterable[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _flat(one, str(key).replace("_", " "))
    elif isinstance(value, list):
        for one in value:
            yield from _flat(one, name)
    elif value not in (None, ""):
        yield f"{name} {value}".strip()


def _short(text: str, most: int = QUOTE_MAX) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", _plain(text)))


def _plain(text: str) -> str:
    """Without accents and case: people leave both out."""
    return "".join(
        one
        for one in unicodedata.normalize("NFD", text.casefold())
        if not unicodedata.combining(one)
    )
