"""
Questions about the seeded documents, each with the one source that answers it, and where in it.

They were written from the documents and before any ranking of theirs was looked at, as people ask:
in other words than the documents' for the most part, with voseo, sometimes by a number or a name,
and sometimes in the other language (*crosses*). A document that is like the one that answers does
not count.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from services.twins.knowledge.catalogue import SEEDS

Language: TypeAlias = Literal["es", "en"]
_LANGUAGES: Final = {(seed.tenant, seed.source): seed.language for seed in SEEDS}


class Question(msgspec.Struct, frozen=True):
    """One question; *source* answers it, under *heading*, in words that hold all of *answer*."""

    tenant: str
    language: Language
    text: str
    source: str
    heading: str
    answer: str

    @property
    def crosses(self) -> bool:
        """Whether it is asked in another language than its answer is written in."""
        return self.language != _LANGUAGES[self.tenant, self.source]


def _asked(tenant: str, language: Language, *rows: tuple[str, str, str, str]) -> list[Question]:
    return [Question(tenant, language, *row) for row in rows]


_CANTOR_ES = _asked(
    "cantor",
    "es",
    (
        "¿Por qué a los de Ribera les dicen Anfibios?",
        "ribera-historia",
        "Los comienzos en el puerto",
        "quedaba bajo el agua",
    ),
    (
        "¿Cómo hizo el club del puerto para pagar lo que debía?",
        "ribera-historia",
        "Los años difíciles",
        "rifa mensual",
    ),
    (
        "¿Cuánta gente está asociada a Atlético Ribera?",
        "ribera-historia",
        "El presente",
        "41.300 socios",
    ),
    (
        "¿Quién armó el equipo de los Cóndores cuando metieron más goles que nadie?",
        "sierra-norte-historia",
        "El récord de 1991",
        "Raúl Mamaní",
    ),
    (
        "Che, ¿por qué el escudo de Sierra Norte tiene una pala?",
        "sierra-norte-historia",
        "El cierre de la mina",
        "cooperativa",
    ),
    (
        "¿Qué equipo tiene más campeonatos?",
        "union-pampa-historia",
        "Seis ligas y una copa",
        "seis",
    ),
    (
        "¿A qué hora se juega en Colonia Trigal en época de cosecha y por qué?",
        "union-pampa-historia",
        "El más antiguo",
        "once de la mañana",
    ),
    (
        "¿Cuánto tiempo estuvieron los Trigueros sin salir campeones?",
        "union-pampa-historia",
        "La sequía",
        "veinticuatro años",
    ),
    (
        "¿Qué club fundaron unos guardavidas aburridos?",
        "costa-azul-historia",
        "Un equipo de bañeros",
        "guardavidas",
    ),
    (
        "¿Contra quién perdió Costa Azul la definición de 2008?",
        "costa-azul-historia",
        "El ascenso y las finales perdidas",
        "Sportivo Lagunas",
    ),
    (
        "¿Por qué está abollada la copa que guarda Ribera en la vitrina?",
        "final-1968",
        "Después",
        "abolladura",
    ),
    (
        "¿Quién era el árbitro el día que se jugó igual aunque diluviaba?",
        "final-1968",
        "El día",
        "Dionisio Cabral",
    ),
    (
        "¿Quién pateó el córner del gol que le dio el título a Ribera sobre la hora?",
        "final-1968",
        "El gol del minuto ochenta y nueve",
        "Ángel Roldán",
    ),
    (
        "¿Qué arquero estudiaba los penales con el cuaderno de la nena?",
        "final-1986",
        "La tanda",
        "cuaderno",
    ),
    (
        "¿Por qué no se puede empezar una final a la siesta en diciembre?",
        "final-1986",
        "Lo que cambió",
        "siete de la tarde",
    ),
    (
        "Contame del partido en el que no se vio el gol",
        "final-2003",
        "El gol invisible",
        "Nicolás Prado",
    ),
    (
        "¿Cómo votó el tribunal cuando Ribera quiso anular la definición?",
        "final-2003",
        "El reclamo",
        "4 votos contra 3",
    ),
    (
        "¿Quién ganó más veces, Ribera o Sierra Norte?",
        "clasico-agua-piedra",
        "Historial",
        "71",
    ),
    (
        "¿Qué le regalan al capitán que viene de visitante a la montaña?",
        "clasico-agua-piedra",
        "La costumbre de la piedra",
        "una piedra de la mina",
    ),
    (
        "¿Qué paga el que pierde entre los del campo y los del balneario?",
        "clasico-trigo-sal",
        "La bolsa y el balde",
        "bolsa de harina",
    ),
    (
        "¿Cuándo alguien tuvo que sostener la pelota acostado porque se la llevaba el viento?",
        "clasico-trigo-sal",
        "El penal de los tres minutos",
        "1994",
    ),
    (
        "¿Por qué el Calafate no quería tirar penales?",
        "salvatierra-padre",
        "Estilo",
        "limosna",
    ),
    (
        "¿Qué negocio abrió el nueve campeón cuando dejó de jugar?",
        "salvatierra-padre",
        "Después del fútbol",
        "ferretería",
    ),
    (
        "¿Cuánto estuvo parado Brunito cuando se rompió la rodilla?",
        "salvatierra-hijo",
        "La lesión",
        "doscientos trece días",
    ),
    (
        "¿Cuántos penales metió el capitán actual de Ribera?",
        "salvatierra-hijo",
        "Estilo",
        "29 de 31",
    ),
    (
        "¿Quién le dijo que no a los 180.000 dólares de un club de Italia?",
        "maidana",
        "La mudanza que no fue",
        "180.000 dólares",
    ),
    (
        "¿Cómo practicaba los tiros libres el Zurdo?",
        "maidana",
        "El tiro libre",
        "cincuenta por día",
    ),
    (
        "¿Qué arquera además era doctora?",
        "arqueros",
        "",
        "Graciela Montenegro",
    ),
    (
        "¿Quién usaba guantes hechos con alpargatas?",
        "arqueros",
        "",
        "suela de alpargata",
    ),
    (
        "Con las reglas de 2024, ¿cuántas fechas le dan a uno por roja directa?",
        "reglamento-2024",
        "Disciplina",
        "dos fechas como mínimo",
    ),
    (
        "¿Cuántos extranjeros puede poner cada equipo en la temporada 2026?",
        "reglamento-2026",
        "Planteles",
        "cinco en la cancha",
    ),
    (
        "¿Desde cuándo el referí le explica a la tribuna lo que vio en la pantalla?",
        "reglamento-2026",
        "Asistencia por video",
        "altavoz",
    ),
    (
        "¿Quién busca la pelota cuando se va al canal?",
        "estadios",
        "Estadio del Muelle",
        "don Ismael",
    ),
    (
        "¿En qué cancha entran 41.000 personas?",
        "estadios",
        "Cuadro general",
        "41.000",
    ),
    (
        "¿Cuándo conviene que el relator se quede callado?",
        "glosario-relato",
        "Los silencios",
        "calla tres veces",
    ),
    (
        "¿Qué es una rabona?",
        "glosario-relato",
        "Palabras de la cancha",
        "cruzando una pierna",
    ),
    (
        "¿Cómo empató Ribera el 4 a 3 de 2019 desde la mitad de la cancha?",
        "seven-goal-derby-2019",
        "How it went",
        "Iván Roldán",
    ),
    (
        "¿Qué oficio aprenden los pibes de las inferiores de Ribera?",
        "dockhouse-academy",
        "The rules of the house",
        "carpentry",
    ),
    (
        "¿Contra quién ganó la Argentina el Mundial que organizó en casa?",
        "mundiales",
        "Argentina campeona",
        "Países Bajos",
    ),
    (
        "¿Quién hizo los goles del Maracanazo?",
        "mundiales",
        "De 1930 a 1950",
        "Schiaffino y Ghiggia",
    ),
    (
        "¿Qué entrenador multaba al que hablaba de suerte?",
        "entrenadores",
        "Héctor Balbuena (1921-1999)",
        "pagaba el asado",
    ),
    (
        "¿Quién fue la primera técnica campeona?",
        "entrenadores",
        "Nélida Ferreyra (n. 1970)",
        "Primera mujer",
    ),
    (
        "Si vamos a jugar allá arriba, ¿cuántos días antes nos conviene viajar?",
        "altura",
        "",
        "diez días o más",
    ),
    (
        "¿Qué hacemos si a un jugador le duele mucho la cabeza y vomita en la montaña?",
        "altura",
        "",
        "darle oxígeno",
    ),
)

_CANTOR_EN = _asked(
    "cantor",
    "en",
    (
        "Which goalkeeper came up for a corner and was beaten from midfield?",
        "seven-goal-derby-2019",
        "How it went",
        "fifty-two metres",
    ),
    (
        "How are kids scouted for Ribera's academy?",
        "dockhouse-academy",
        "How children are chosen",
        "four times",
    ),
    (
        "How did the oldest club in the league get its name?",
        "union-pampa-historia",
        "El más antiguo",
        "dos equipos de barrio",
    ),
    (
        "Why was the 1977 derby stopped, and when was it finished?",
        "clasico-agua-piedra",
        "El partido que no terminó",
        "nieve",
    ),
    (
        "What does thin air do to the ball?",
        "altura",
        "",
        "viaja más lejos",
    ),
    (
        "Who scored three times in the 2022 World Cup final?",
        "mundiales",
        "Argentina campeona",
        "Mbappé",
    ),
    (
        "How long do drinking breaks last in the current season when it is hot?",
        "reglamento-2026",
        "Calor",
        "tres minutos",
    ),
)

_FERNANDEZ_EN = _asked(
    "fernandez",
    "en",
    (
        "Where do most companies get stuck on the way to being good at AI?",
        "maturity-ladder",
        "What we measured",
        "stood on Lamp",
    ),
    (
        "Is it a good sign to have dozens of experiments going on?",
        "maturity-ladder",
        "Warning signs",
        "undecided",
    ),
    (
        "Can we change how much each criterion counts?",
        "use-case-scoring",
        "Three questions, fixed weights",
        "we do not change them",
    ),
    (
        "What total does an idea need to get into the portfolio?",
        "use-case-scoring",
        "Cut-off",
        "7.5",
    ),
    (
        "How do I work out when the investment has paid for itself?",
        "business-case",
        "The one formula",
        "Payback in months",
    ),
    (
        "How much should I discount the hours people are supposed to save?",
        "business-case",
        "What counts as a benefit",
        "60 %",
    ),
    (
        "When should we give up on a project?",
        "business-case",
        "Stop rule",
        "under 30 %",
    ),
    (
        "What should directors want to know about who can switch it off?",
        "board-questions",
        "About people",
        "switch it off tonight",
    ),
    (
        "Which of the twelve questions do boards usually fail to answer?",
        "board-questions",
        "How to use the list",
        "question 7",
    ),
    (
        "What happens between day 31 and day 60 of a trial?",
        "pilot-90-days",
        "The calendar",
        "Shadow",
    ),
    (
        "Why do you put a doubter on the team?",
        "pilot-90-days",
        "Team",
        "sceptic",
    ),
    (
        "Our tables are a mess. How do we know if we can start?",
        "data-readiness",
        "The tests",
        "hundred rows",
    ),
    (
        "Why would writing a glossary help?",
        "data-readiness",
        "The cheapest repair",
        "same word",
    ),
    (
        "We bought the licences and nobody opens them. What now?",
        "change-management",
        "Five practices that worked",
        "Train in pairs",
    ),
    (
        "Should we promise staff they will keep their jobs?",
        "change-management",
        "The conversation about jobs",
        "eighteen months",
    ),
    (
        "When is it worth training a model on our own examples?",
        "rag-or-fine-tuning",
        "When we did tune",
        "labelled",
    ),
    (
        "Why does the assistant give wrong answers although the archive has the right paragraph?",
        "rag-or-fine-tuning",
        "Why retrieval fails",
        "Fix the search first",
    ),
    (
        "How big are the penalties for banned AI practices in Europe?",
        "eu-ai-act",
        "Fines",
        "35 million",
    ),
    (
        "When did Regulation 2024/1689 enter into force?",
        "eu-ai-act",
        "What it is",
        "1 August 2024",
    ),
    (
        "How did the supermarket chain throw away less?",
        "case-alameda",
        "What we did",
        "nine small models",
    ),
    (
        "How many days did the insurer need to pay a claim afterwards?",
        "caso-tramontana",
        "Resultados a los ocho meses",
        "6",
    ),
    (
        "What does a three-week engagement cost?",
        "working-with-us",
        "Three formats",
        "28,000",
    ),
    (
        "Will you tell our competitors what you learn here?",
        "working-with-us",
        "Confidentiality",
        "another one",
    ),
    (
        "How much notice should we demand before a vendor retires a model version?",
        "riesgo-proveedores",
        "Cláusulas que pedimos siempre",
        "ciento ochenta días",
    ),
    (
        "What share of the first-year spend of an agent is the model bill?",
        "costo-total",
        "El iceberg",
        "22 %",
    ),
    (
        "How do you recognise a dirty phone number field?",
        "calidad-datos",
        "Cinco defectos que se ven a simple vista",
        "999999999",
    ),
)

_FERNANDEZ_ES = _asked(
    "fernandez",
    "es",
    (
        "¿Qué herramienta de diagnóstico usás con una empresa familiar?",
        "modelo-madurez-2021",
        "Para qué sirve",
        "empresas familiares",
    ),
    (
        "¿Cuántas organizaciones evaluaron hasta 2021 y dónde estaba la mayoría?",
        "modelo-madurez-2021",
        "Qué aprendimos con él",
        "118 organizaciones",
    ),
    (
        "Somos veinte personas, ¿por dónde empezamos?",
        "priorizacion-pymes",
        "El método",
        "ocho horas por semana",
    ),
    (
        "¿Cuánta plata pongo en el primer proyecto de una empresa chica?",
        "priorizacion-pymes",
        "Cuánto gastar",
        "dos meses",
    ),
    (
        "¿Qué gastos aparecen que nadie había previsto?",
        "costo-total",
        "Costos que aparecen tarde",
        "Reintentos",
    ),
    (
        "¿Por cuánto multiplico los tokens para hacer el presupuesto?",
        "costo-total",
        "Cómo presupuestar",
        "por cinco",
    ),
    (
        "¿Quién puede apagar un agente sin pedir permiso a los demás?",
        "comite-ia",
        "Qué decide",
        "una sola persona",
    ),
    (
        "¿Cada cuánto se junta el comité y cuánto dura?",
        "comite-ia",
        "Cuándo se reúne",
        "noventa minutos",
    ),
    (
        "¿Qué tengo que probar antes de que atienda a un cliente?",
        "puesta-en-produccion",
        "Antes de encender",
        "Interruptor de apagado",
    ),
    (
        "¿Con qué porcentaje de tráfico se arranca el primer día?",
        "puesta-en-produccion",
        "La primera semana",
        "1 %",
    ),
    (
        "¿Qué es la prueba del café?",
        "calidad-datos",
        "La prueba del café",
        "cincuenta filas",
    ),
    (
        "¿De quién es la culpa cuando una tabla está mal cargada?",
        "calidad-datos",
        "Quién es responsable",
        "padrino",
    ),
    (
        "¿Cómo ensayamos que se caiga el proveedor?",
        "riesgo-proveedores",
        "El simulacro",
        "un martes",
    ),
    (
        "¿Está mal depender de una sola empresa?",
        "riesgo-proveedores",
        "Cuándo conviene estar atado",
        "diez veces mejor",
    ),
    (
        "¿El problema de la aseguradora era el fraude?",
        "caso-tramontana",
        "El problema verdadero",
        "2,1 %",
    ),
    (
        "¿Qué pasó cuando el asistente prometió plazos a 212 personas?",
        "caso-tramontana",
        "Lo que salió mal",
        "212 personas",
    ),
    (
        "¿Qué peso tiene el valor en la matriz VFR?",
        "use-case-scoring",
        "Three questions, fixed weights",
        "50 %",
    ),
    (
        "¿Se puede alargar un piloto dos veces?",
        "pilot-90-days",
        "Extending",
        "no second extension",
    ),
    (
        "¿Cuánto bajó el desperdicio de comida fresca en los supermercados?",
        "case-alameda",
        "Results after ten months",
        "6.9 %",
    ),
    (
        "¿Hay que avisarle a la gente que está hablando con una máquina según la ley europea?",
        "eu-ai-act",
        "What it means for an avatar",
        "must be informed",
    ),
    (
        "¿La primera charla con vos se paga?",
        "working-with-us",
        "Three formats",
        "free",
    ),
    (
        "¿Cómo se llama el nivel más alto de la escalera?",
        "maturity-ladder",
        "The levels",
        "Sun",
    ),
    (
        "¿Qué le digo a la gente para que use la herramienta?",
        "change-management",
        "Five practices that worked",
        "Announce what will end",
    ),
)

QUESTIONS: Final = (*_CANTOR_ES, *_CANTOR_EN, *_FERNANDEZ_EN, *_FERNANDEZ_ES)
