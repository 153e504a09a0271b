"""
Sentences that talk to the model instead of saying something, in Spanish and English.

They stay in the text: a document may well be about such sentences, and whatever is retrieved is
given to the model as data. Whoever approves is told. Finding none proves nothing; this list knows
what is usual.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from services.knowledge.reading.hidden_characters import excerpt_around

# Each is matched against lower case without accents; `_` is white space, of a broken line as well.
_ENGLISH: Final = (
    r"""\b(?:ignore|disregard|forget|override|bypass|overlook|neglect)_
        (?:(?:all|any|every|the|your|of|these|those|previous|prior|above|earlier|preceding|former
        |initial|original|system)_)+
        (?:instructions?|prompts?|directions?|rules?|guidelines?|commands?|messages?|context
        |programming|training)\b""",
    r"""\b(?:ignore|disregard|forget)_(?:everything|anything|all|what)\b.{0,30}
        \b(?:above|before|previously|earlier|you_were_told|so_far)\b""",
    r"""\byou_are_(?:now|no_longer)_(?:(?:an?|the|in|my|bound|restricted)_|dan\b)""",
    r"""\b(?:from_now_on|henceforth),?_(?:you_(?:are|will|must|should|shall)|respond|answer|act)\b""",
    r"""\b(?:pretend|act|behave|respond|reply)_as_(?:if_you|though_you
        |an?_(?:unrestricted|uncensored|evil|different|ai|assistant|system|admin))""",
    r"""\b(?:reveal|show|print|repeat|output|leak|disclose|tell_me)_(?:me_)?
        (?:(?:all|the|your|of)_)*(?:system|hidden|initial|secret|original)_
        (?:prompt|instructions?|message|rules)\b""",
    r"""\b(?:new|updated|real|actual|hidden)_(?:system_)?(?:instructions?|prompt)s?_?:""",
    r"""\b(?:note|attention|message|instructions?)_(?:to|for)_(?:(?:the|any|all)_)?
        (?:ai|llm|language_model|assistant|chatbot|gpt|claude|model)s?\b""",
    r"""\b(?:if_you_are|as)_an?_(?:ai|llm|large_language_model|language_model|ai_assistant)\b.{0,60}
        \b(?:must|should|please|say|recommend|do_not)\b""",
    r"""\b(?:do_not|don't|never)_(?:tell|inform|mention|reveal)(?:_this)?_(?:to_)?
        the_(?:user|human|visitor|customer)\b""",
    r"""\b(?:jailbreak|developer_mode|prompt_injection)_(?:enabled|mode|on\b)""",
)
_SPANISH: Final = (
    r"""\b(?:ignor[ae](?:n|r|d|s|las?|los?)?|olvid[ae](?:n|r|d|s|te_de|las?|los?)?
        |descart[ae](?:n|r|d|s)?|desestim[ae](?:n|r|d)?|desobedec(?:e|er|ed|an?)
        |ha(?:ce|z)_caso_omiso_de|no_hagas_caso_(?:a|de)|sobrescrib[ei]r?|saltea(?:te)?)_
        (?:(?:todas?|todos?|cualquier|las?|los?|el|tus?|sus?|de|estas?|estos?|previ[ao]s?
        |anterior(?:es)?)_)*
        (?:instruccion(?:es)?|indicacion(?:es)?|ordenes|reglas|mensajes?|consignas?|directrices
        |prompts?|contexto|programacion)""",
    r"""\b(?:ignor|olvid|descart)[ae](?:n|r|d|s|te_de)?_(?:todo_)?
        lo_(?:anterior|dicho|que_(?:te|se|le)_(?:dijeron|dijo|ha_dicho|indico|indicaron))""",
    r"""\b(?:a_partir_de_ahora|desde_ahora|de_ahora_en_(?:mas|adelante)),?_
        (?:eres|sos|seras|vas_a|debes|tenes_que|tienes_que|actua|responde|contesta)""",
    r"""\b(?:ahora_)?(?:eres|sos)_(?:ahora_)?(?:un|una)_
        (?:ia|asistente|modelo|inteligencia_artificial|chatbot)\b""",
    r"""\b(?:actua|comportate|responde|contesta|finge|hace|haz)_(?:de_cuenta_)?
        (?:que_(?:eres|sos)|como_si_(?:fueras|no)|como_(?:un|una)_(?:ia|asistente|modelo))""",
    r"""\b(?:revela|mostra|muestra|imprime|imprimi|repeti|repite|decime|dime|divulga)(?:me)?_
        (?:(?:todo|el|la|las|los|tu|tus)_)*
        (?:prompt|mensaje_del?_sistema|instrucciones|consignas?_del?_sistema)""",
    r"""\b(?:nuevas?|verdaderas?|reales)_(?:instrucciones|consignas|indicaciones)_?:""",
    r"""\b(?:nota|atencion|mensaje|instruccion(?:es)?)_(?:a|al|para)_(?:(?:la|el|los|las)_)?
        (?:ia|asistente|modelo|chatbot|inteligencia_artificial|llm)s?\b""",
    r"""\b(?:si_(?:eres|sos)|como)_(?:un|una)_(?:ia|modelo_de_lenguaje|asistente
        |inteligencia_artificial)\b.{0,60}
        \b(?:debes|tenes_que|tienes_que|deci|di|recomenda|recomienda|no)\b""",
    r"""\bno_(?:le_)?(?:digas|informes|menciones|reveles|cuentes)(?:_esto)?_(?:nada_)?
        al?_(?:la_)?(?:usuari[oa]|visitante|client[ea]|humano)\b""",
    r"""\bmodo_(?:desarrollador|dios)_activado\b""",
)
# Marks of roles and templates, as prompts have them.
_MARKS: Final = (
    r"""<\|?(?:im.start|im.end|system|assistant|user|endoftext|begin.of.text|start.header.id
        |end.header.id|eot.id)\|?>""",
    r"""\[/?(?:inst|sys|system|assistant)\]|<</?sys>>|</?(?:system|assistant|instructions?)>""",
    r"""(?:^|\n)_?\#{2,}_?(?:system|instruction|assistant|human|sistema|asistente|instruccion)s?
        _?:?(?:\n|$)""",
    r"""(?:^|\n)_?(?:system|assistant|sistema|asistente)(?:_(?:prompt|message|mensaje))?_?:_""",
    r"""\{\{_?\#?(?:system|user|assistant|prompt|messages?)\b.{0,40}\}\}""",
)
_PATTERNS: Final = tuple(
    re.compile(one.replace("_", r"\s"), re.DOTALL | re.VERBOSE)
    for one in (*_ENGLISH, *_SPANISH, *_MARKS)
)
_ACCENTS: Final = re.compile("[\u0300-\u036f]")
_BLANKS: Final = re.compile(r"[ \t]+")


def instruction_in(text: str) -> str | None:
    """Return an excerpt of *text* around what talks to the model, None where nothing does."""
    folded = _folded(text)
    for pattern in _PATTERNS:
        if found := pattern.search(folded):
            # Folding keeps nearly every place; the excerpt is for a person.
            return excerpt_around(text, min(found.start(), len(text)), min(found.end(), len(text)))
    return None


def _folded(text: str) -> str:
    """Lower case without accents, blanks single."""
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", text)).casefold()
    return _BLANKS.sub(" ", plain)
