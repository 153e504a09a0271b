"""
The sandbox of vendors: servers that behave as the vendors document, for machines without accounts.

    server    one HTTP server on loopback; each vendor under its own prefix
    vendor    what a vendor's module is given: the fault for a request, the ledger, the clock
    exchange  one request (or one piece of work inside a connection) that a vendor would count
    ledger    what was asked of each vendor, and what it would put on its bill
    faults    what goes wrong from now on: statuses, cut connections, slowness, oddities of a vendor
    keys      which API keys are accepted
    clock     the time of the vendors; tests turn it by hand
    control   /_sandbox/…: read the ledger, set faults

A vendor's module is named like it and listed in `server.VENDORS`. The sandbox knows nothing of the
gate: it is what the adapters are tested against, and it counts what really arrived.
"""
