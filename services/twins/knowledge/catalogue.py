"""The documents that the twins are seeded with."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec

from contracts.knowledge import SourceKind

FOLDER: Final = Path(__file__).parent
CC0: Final = "CC0-1.0"
MEDIA_TYPES: Final = {
    ".md": "text/markdown",
    ".html": "text/html",
    ".txt": "text/plain",
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
KINDS: Final[dict[str, SourceKind]] = {
    ".md": "markdown",
    ".html": "html",
    ".txt": "text",
    ".pdf": "pdf",
    ".docx": "docx",
}


class Seed(msgspec.Struct, frozen=True):
    """One document. *file* is its name, in the folder of its tenant."""

    tenant: str
    title: str
    file: str
    language: Literal["es", "en"]
    licence: str = CC0

    @property
    def source(self) -> str:
        """Its id as a source."""
        return self.path.stem

    @property
    def path(self) -> Path:
        """Where it is."""
        return FOLDER / self.tenant / self.file

    @property
    def media_type(self) -> str:
        """What its bytes are."""
        return MEDIA_TYPES[self.path.suffix]

    @property
    def kind(self) -> SourceKind:
        """What it is added as."""
        return KINDS[self.path.suffix]

    def read(self) -> bytes:
        """Its bytes."""
        return self.path.read_bytes()


def _cantor(title: str, file: str, language: Literal["es", "en"] = "es") -> Seed:
    return Seed("cantor", title, file, language)


def _fernandez(title: str, file: str, language: Literal["es", "en"]) -> Seed:
    return Seed("fernandez", title, file, language)


SEEDS: Final[tuple[Seed, ...]] = (
    _cantor("Atlético Ribera: historia del club", "ribera-historia.md"),
    _cantor("Deportivo Sierra Norte: historia del club", "sierra-norte-historia.md"),
    _cantor("Unión Pampa: historia del club", "union-pampa-historia.md"),
    _cantor("Racing Costa Azul: historia del club", "costa-azul-historia.md"),
    _cantor("La final de 1968", "final-1968.md"),
    _cantor("La final de 1986", "final-1986.html"),
    _cantor("La final de 2003: la final de la niebla", "final-2003.md"),
    _cantor("El clásico del agua y la piedra", "clasico-agua-piedra.md"),
    _cantor("El clásico del trigo y la sal", "clasico-trigo-sal.md"),
    _cantor("Bruno Salvatierra (padre)", "salvatierra-padre.md"),
    _cantor("Bruno «Brunito» Salvatierra", "salvatierra-hijo.md"),
    _cantor("«El Zurdo» Maidana", "maidana.md"),
    _cantor("Los grandes arqueros de la Liga del Sur", "arqueros.txt"),
    _cantor("Reglamento de la Liga del Sur, 2024", "reglamento-2024.md"),
    _cantor("Reglamento de la Liga del Sur, 2026", "reglamento-2026.md"),
    _cantor("Estadios de la Liga del Sur", "estadios.html"),
    _cantor("Glosario del relato", "glosario-relato.md"),
    _cantor("The night of the seven goals", "seven-goal-derby-2019.md", "en"),
    _cantor("The Dock House academy", "dockhouse-academy.md", "en"),
    _cantor("Las finales de los Mundiales que más contamos", "mundiales.md"),
    _cantor("Tres entrenadores que cambiaron la liga", "entrenadores.pdf"),
    _cantor("Jugar en la altura", "altura.txt"),
    _fernandez("The Lumen ladder", "maturity-ladder.md", "en"),
    _fernandez("Modelo de madurez en IA, edición 2021", "modelo-madurez-2021.md", "es"),
    _fernandez("The VFR matrix", "use-case-scoring.md", "en"),
    _fernandez("La regla de la servilleta", "priorizacion-pymes.md", "es"),
    _fernandez("Writing the business case", "business-case.md", "en"),
    _fernandez("El costo total de un agente de IA", "costo-total.md", "es"),
    _fernandez("Twelve questions a board should ask", "board-questions.md", "en"),
    _fernandez("Reglamento del comité de inteligencia artificial", "comite-ia.docx", "es"),
    _fernandez("The ninety-day pilot", "pilot-90-days.md", "en"),
    _fernandez("Lista para salir a producción", "puesta-en-produccion.md", "es"),
    _fernandez("Data readiness: seven tests", "data-readiness.md", "en"),
    _fernandez("Calidad de datos", "calidad-datos.html", "es"),
    _fernandez("Bringing people along", "change-management.md", "en"),
    _fernandez("Riesgo de proveedores de IA", "riesgo-proveedores.md", "es"),
    _fernandez("Retrieval, fine-tuning, or a longer prompt?", "rag-or-fine-tuning.html", "en"),
    _fernandez("The EU AI Act for executives", "eu-ai-act.pdf", "en"),
    _fernandez("Case: Mercados Alameda", "case-alameda.md", "en"),
    _fernandez("Caso: Seguros Tramontana", "caso-tramontana.md", "es"),
    _fernandez("Working with us", "working-with-us.md", "en"),
)
