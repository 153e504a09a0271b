"""
What the twin itself has to say, in the language of the conversation: notices and excuses.

Everything else that it says comes from its model. Spanish and English; other languages get English.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

Language: TypeAlias = Literal["es", "en"]
Phrase: TypeAlias = Literal[
    "asleep",
    "by_voice",
    "by_text",
    "restored",
    "prohibited",
    "vendor",
    "no_prompt",
    "spent",
    "unheard",
]

PHRASES: Final[Mapping[Language, Mapping[Phrase, str]]] = {
    "en": {
        "asleep": "Twin is sleeping: this month's budget is used up. Please come back later.",
        "by_voice": "From here on I go on by voice only.",
        "by_text": "From here on I go on in writing.",
        "restored": "I am back in full.",
        "prohibited": "I cannot talk about that. Is there anything else?",
        "vendor": "I could not finish my answer just now. Please ask me again.",
        "no_prompt": "This twin has not been told yet what it may say.",
        "unheard": "I did not understand that. Say it again, please, or write to me.",
        "spent": "We have reached what one conversation may use. Please begin a new one.",
    },
    "es": {
        "asleep": "Twin is sleeping: el presupuesto del mes se agotó. Vuelve más tarde, por favor.",
        "by_voice": "A partir de ahora sigo solo con la voz.",
        "by_text": "A partir de ahora sigo por escrito.",
        "restored": "Ya estoy de vuelta por completo.",
        "prohibited": "De eso no puedo hablar. ¿Hay algo más?",
        "vendor": "No pude terminar mi respuesta. Pregúntame otra vez, por favor.",
        "no_prompt": "A este gemelo todavía no le han dicho qué puede decir.",
        "unheard": "No te entendí. Dímelo otra vez, por favor, o escríbeme.",
        "spent": "Hemos llegado a lo que una conversación puede usar. Empieza otra, por favor.",
    },
}


def language_of(tag: str) -> Language:
    """Return the language that a BCP 47 tag asks for."""
    return "es" if tag.lower().split("-")[0] == "es" else "en"


def say(phrase: Phrase, language: Language) -> str:
    """Return a phrase."""
    return PHRASES[language][phrase]
