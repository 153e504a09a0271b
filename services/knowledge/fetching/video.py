"""Which video an address is of, in all the shapes that YouTube gives its addresses."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qs, urlsplit

from services.knowledge.fetching.target import refused

_is_id = re.compile(r"[A-Za-z0-9_-]{11}").fullmatch
_SHORT: Final = frozenset({"youtu.be", "www.youtu.be"})
_LONG: Final = frozenset(
    {
        "youtube.com",
        "www.youtube.com",
        "m.youtube.com",
        "music.youtube.com",
        "youtube-nocookie.com",
        "www.youtube-nocookie.com",
    }
)
# Paths in which the id is what follows.
_FOLDERS: Final = frozenset({"embed", "shorts", "live", "v", "e"})


def video_id(location: str) -> str:
    """
    Return the id of the video at *location*, which may be the id itself.

    Raises IngestionProblem `address_refused`: it is of no video, or of many.
    """
    text = location.strip()
    if _is_id(text):
        return text
    found = _in_address(text)
    if found is None or not _is_id(found):
        raise refused(
            text, "it is of no single YouTube video, such as https://youtu.be/ followed by its id"
        )
    return found


def _in_address(text: str) -> str | None:
    if "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        query = parse_qs(parts.query, max_num_fields=50)
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        return None
    if parts.scheme.lower() not in ("https", "http") or "@" in parts.netloc:
        return None
    if port not in (None, 80, 443):
        return None
    folders = [one for one in parts.path.split("/") if one]
    if host in _SHORT:
        return folders[0] if folders else None
    if host not in _LONG:
        return None
    if folders[:1] == ["watch"] and len(folders) == 1:
        return query.get("v", [""])[0]
    if len(folders) > 1 and folders[0] in _FOLDERS | {"watch"}:
        return folders[1]
    return None
