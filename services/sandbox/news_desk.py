"""The articles that the sandbox's NewsAPI finds. Written for it; sources and hosts are invented."""

from __future__ import annotations

import msgspec


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """One article, always *hours_ago* old."""

    title: str
    description: str
    source: str
    host: str
    slug: str
    language: str
    hours_ago: int
    author: str = ""


def _gazette(**story: str | int) -> Story:
    return Story(source="The Boardroom Gazette", host="gazette.example", **story)  # type: ignore[arg-type]


def _heraldo(**story: str | int) -> Story:
    return Story(source="El Heraldo del Puerto", host="heraldo.example", **story)  # type: ignore[arg-type]


ARTICLES = (
    _gazette(
        title="AI budgets shift from pilots to governance",
        description="Mid-size companies now spend more on controlling AI agents than on building"
        " them, a survey of 300 executives finds: limits, audit trails and a named owner for each.",
        slug="ai-budgets-governance",
        language="en",
        hours_ago=3,
        author="Clara Whitcombe",
    ),
    _gazette(
        title="Why the second AI project succeeds",
        description="The first AI project teaches a company what its data lacks. Those who write"
        " that down before they begin the second one finish it in half the time.",
        slug="second-ai-project",
        language="en",
        hours_ago=20,
        author="Martin Oyelaran",
    ),
    _gazette(
        title="Retail chain cuts forecast errors with small models",
        description="A regional retail chain replaced one large AI model with nine small ones and"
        " reports fewer empty shelves at a tenth of the cost.",
        slug="retail-small-models",
        language="en",
        hours_ago=44,
    ),
    _gazette(
        title="Regulators ask who answers for an avatar",
        description="Disclosure before the first frame and a way to reach a person: the draft rules"
        " for AI avatars in customer service leave little room for surprises.",
        slug="avatar-rules",
        language="en",
        hours_ago=70,
        author="Clara Whitcombe",
    ),
    _heraldo(
        title="Atlético Ribera recibe a Sierra Norte en el puerto",
        description="La Liga del Sur vuelve con un clásico: Atlético Ribera busca la punta ante"
        " Deportivo Sierra Norte, que llega con seis partidos sin perder.",
        slug="ribera-sierra-norte",
        language="es",
        hours_ago=2,
        author="Mercedes Ibarguren",
    ),
    _heraldo(
        title="Salvatierra: «El fútbol se juega con la cabeza fría»",
        description="El goleador de Atlético Ribera habla de su recuperación, del gol en el último"
        " minuto y de la inteligencia artificial que analiza sus entrenamientos.",
        slug="entrevista-salvatierra",
        language="es",
        hours_ago=26,
        author="Mercedes Ibarguren",
    ),
    _heraldo(
        title="Las pymes prueban la inteligencia artificial con presupuesto cerrado",
        description="Consultores recomiendan empezar por un solo proceso, con límite de gasto y una"
        " persona responsable antes de comprar otra herramienta de inteligencia artificial.",
        slug="pymes-inteligencia-artificial",
        language="es",
        hours_ago=12,
    ),
    _heraldo(
        title="Unión Pampa empata en el descuento",
        description="Un gol de Estévez en el minuto noventa salvó un punto para Unión Pampa ante"
        " Racing Costa Azul en la Liga del Sur.",
        slug="union-pampa-empata",
        language="es",
        hours_ago=50,
    ),
)
