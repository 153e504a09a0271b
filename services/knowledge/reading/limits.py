"""How much of everything a document may have, and what it may cost to read one."""

from __future__ import annotations

import msgspec

MIB = 1 << 20


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """
    All are limits for one document.

    *bytes_max* as it comes, *unpacked_bytes_max* once a container is unpacked; *pages_max* and
    *depth_max* (of nested elements, objects or lists) as written; *characters_max* and *blocks_max*
    of what is read. *memory_bytes* is address space; *cpu_s* time of a processor, *wall_s* on the
    clock; *answer_bytes_max* what the process may hand back.
    """

    bytes_max: int = 32 * MIB
    unpacked_bytes_max: int = 128 * MIB
    pages_max: int = 2_000
    depth_max: int = 200
    characters_max: int = 4_000_000
    blocks_max: int = 100_000
    memory_bytes: int = 768 * MIB
    cpu_s: int = 60
    wall_s: int = 120
    answer_bytes_max: int = 64 * MIB
