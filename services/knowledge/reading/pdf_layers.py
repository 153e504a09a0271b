"""Which layers of a PDF are switched off (ISO 32000-1, 8.11)."""

from __future__ import annotations

from typing import Any

from pypdf.generic import DictionaryObject


def hidden_layers_of(reader: Any) -> set[int]:
    """Return the numbers of the objects of the layers that are switched off."""
    properties = resolved(reader.root_object.get("/OCProperties"))
    default = resolved(properties.get("/D")) if isinstance(properties, DictionaryObject) else None
    if not isinstance(default, DictionaryObject):
        return set()
    every = properties.get("/OCGs") if default.get("/BaseState") == "/OFF" else default.get("/OFF")
    shown = _numbers_of(default.get("/ON")) if default.get("/BaseState") == "/OFF" else set()
    return _numbers_of(every) - shown


def _numbers_of(layers: Any) -> set[int]:
    return {one.idnum for one in resolved(layers) or () if hasattr(one, "idnum")}


def resolved(value: Any) -> Any:
    return value.get_object() if value is not None else None
