"""
What is known of the twins, over HTTP: meters, audit log, decisions, holds, policy.

It only reads, and only the read side (Postgres, as `vito_api`). One noun, one file: what can be
asked of it, what is answered, and the handler. All SQL is in `rows.py`, the pool and the troubles
of the database in `read_side.py`, the kinds of problems in `problems.py`; what is above, the server
itself and its document, in `services/http_api`.
`routes.py` is the table that both the server and the OpenAPI document are made from.

position   the commit of a tenant's log that an answer reflects; always stated, and a reader may
           ask for "at least" one, so that a person sees what they just did
problem    any answer that is not the one asked for (RFC 9457)
cursor     where the next page begins; opaque, good only for the question that it came from
"""
