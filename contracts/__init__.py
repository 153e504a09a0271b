"""
Everything two processes must agree on. Imports msgspec and nothing else.

command   an intent, imperative: `AuthorizeCall`. May be refused.
event     a fact, past tense: `CallAuthorized`. Stored for ever, never refused.
reply     what the gate answered: `Decision`, `Receipt`, `Problem`.
commit    the events of one group of decisions of one tenant: one message of the log.
position  a tenant's commit index, dense from 1.
nanos     10^-9 of the policy's currency; all money is an integer of these.
meter     what is counted: money, credits, and the three units of consumption.

One noun, one file: what can be asked of a budget, and what can happen to it, is in
`budget.py`; its rules are in `domain/budget.py`, its rows in `projections/`.
"""
