"""
Pure rules: no clock, no ids, no randomness, no input or output.

    gate          due, known, decide, evolve: how a command is decided on a twin's state
    state         everything that one twin's decisions depend on
    authorize     may this call be made, how, when, for how much?
    holds         settle, extend, release
    governance    provision, suspend, resume, policy, prices, credits, months
    distribution  deployments, their disclosures, and who is let in
    curation      what the twin may know: asked for, ingested, reviewed, approved
    refusals      every way to say no
    answer        what the caller is told; `views` is what it can ask

What they keep: budget (with deadlines and units), rate, session, policy, price_book, period,
memory, flood, tenant, deployment, knowledge. Read `gate` and `budget` first.
"""
