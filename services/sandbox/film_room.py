"""The videos that the sandbox's YouTube has. Written for it; clubs and people are invented."""

from __future__ import annotations

from typing import Literal

import msgspec

# Each line stays this long on the screen.
LINE_MS = 4_000


class Track(msgspec.Struct, frozen=True, kw_only=True):
    """Subtitles in one language; *kind* `asr` when a machine heard them."""

    language: str
    name: str
    lines: tuple[str, ...]
    kind: Literal["", "asr"] = ""


class Film(msgspec.Struct, frozen=True, kw_only=True):
    """One video. *trouble* is what the player says instead of playing it."""

    name: str
    title: str
    tracks: tuple[Track, ...] = ()
    trouble: Literal["", "age", "private"] = ""


_FINAL_ES = (
    "Estamos en el puerto, donde todo empezó.",
    "La final del sesenta y ocho se jugó bajo la lluvia, el ocho de diciembre.",
    "Atlético Ribera perdía uno a cero a los veinte minutos.",
    "«El Zurdo» Maidana empató de tiro libre, y la pelota pegó en los dos palos.",
    "El segundo llegó en el minuto ochenta y nueve: cabezazo de Bruno Salvatierra padre.",
    "Veintiséis mil personas cantaron hasta la madrugada.",
)
_FINAL_EN = (
    "We are in the harbour, where it all began.",
    "The final of 1968 was played in the rain, on the eighth of December.",
    "Atlético Ribera were one goal down after twenty minutes.",
)
_GOVERNANCE = (
    "Let's deep dive into what a board should ask about AI agents.",
    "First: who answers for each agent, by name?",
    "Second: what is the most it can spend in a month, and who is told before that?",
    "Third: can we replay a decision that it took ninety days ago?",
    "If one answer is missing, the pilot isn't ready & it doesn't go live.",
)

FILMS = (
    Film(
        name="ribera1968x",
        title="La final de 1968, contada por sus protagonistas",
        tracks=(
            Track(language="en", name="English", lines=_FINAL_EN),
            Track(language="es", name="Spanish", lines=("Texto automático.",), kind="asr"),
            Track(language="es-AR", name="Spanish (Argentina)", lines=_FINAL_ES),
        ),
    ),
    Film(
        name="goles-1991_",
        title="Todos los goles de Sierra Norte en 1991",
        tracks=(
            Track(language="en", name="English", lines=("Goals of 1991.",)),
            Track(
                language="es-419",
                name="Spanish (Latin America)",
                lines=("Sierra Norte hizo cincuenta y cuatro goles en 1991.",),
                kind="asr",
            ),
            Track(
                language="es-419",
                name="Spanish (Latin America)",
                lines=("Sierra Norte metió cincuenta y cuatro goles en el año noventa y uno.",),
            ),
        ),
    ),
    Film(
        name="governLLM01",
        title="Three questions a board should ask",
        tracks=(Track(language="en", name="English", lines=_GOVERNANCE),),
    ),
    Film(
        name="mexico_2031",
        title="Crónica de un viaje",
        tracks=(
            Track(language="en-GB", name="English (United Kingdom)", lines=("A journey.",)),
            Track(language="es-MX", name="Spanish (Mexico)", lines=("Un viaje.",)),
        ),
    ),
    Film(
        name="enfrances00",
        title="En français seulement",
        tracks=(Track(language="fr", name="French", lines=("Bonjour.",)),),
    ),
    Film(
        name="silencio_00",
        title="Solo música",
        tracks=(Track(language="es", name="Spanish", lines=("", " ")),),
    ),
    Film(name="sinsubtitul", title="Sin subtítulos"),
    Film(name="adultos_001", title="Para adultos", trouble="age"),
    Film(name="privado_001", title="Privado", trouble="private"),
)
