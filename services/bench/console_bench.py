"""
How soon a page of the console is there, and how soon it shows what has just happened, beside a log
of a million settled calls.

A real gate, projector and server; the past is put straight into the tables, as copies of the rows
of one real call: older than anything in the log, by numbers below 1. A page is the whole answer of
the server over HTTP, without what a browser then does with it. A live update is from the gate's
reply to a page that reflects it, asked for when the stream of changes says so, as the pages do.
"""

from __future__ import annotations

from typing import Final

from services.client.patience import Patience

TENANT: Final = "hot"
ROWS: Final = 1_000_000
LOADS: Final = 60
UPDATES: Final = 30
_WARM_LOADS: Final = 3
_LATE_S: Final = 20.0
_PATIENCE: Final = Patience(deadline_s=60.0, attempt_s=2.0)
PAGES: Final = {
    "overview": "",
    "audit log": "/audit",
    "audit log, by noun": "/audit?noun=tenant",
    "audit log, a search": "/audit?text=no+such+words",
    "sessions": "/sessions",
}
