"""
The HTTP door: who asks, what they want done, and how they sign in.

`services/query_api` answers questions from the tables; this is everything else of the same server.

caller          somebody who was recognised, and what they may ask of which twin
authentication  an Authorization header or a session's cookie becomes a caller, or 401
doorman         which twin is whose business, who may ask; each denial is on record
cross_site      other sites may not use a browser's session
commands        every command of the contracts as `POST /v1/tenants/{tenant}/<noun>/<verb>`
idempotency     the same `Idempotency-Key` takes effect once, and is answered the same
live            the gate's own views, `GET /v1/tenants/{tenant}/live/<noun>`
gate_line       the way to the gate, over NATS
sign_in         e-mail and password, or a one-time link, for a session; and out again
oidc_sign_in    the issuer of the deployment, for a session
opening         the session that each way of signing in ends in
password        who has signed in chooses a password
attempts        who guesses must wait
token           a key or a session for a short-lived token
wiring          all of it, made from the settings
"""
