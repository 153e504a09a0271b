"""
The HTTP API as a whole: one server of what `query_api` knows and of what `http_door` lets in.

Both are below it and know nothing of it; `query_api` knows nothing of `http_door` either.

app       one request: who asks, which endpoint, how far the tables must be, how long it may take
protocol  what of HTTP happens before and beside a request: limits, broken clients, closing
probes    alive, ready, metrics and the document
openapi   the document, made from the tables of both
server    its parts put together, started in order and stopped in time
"""
