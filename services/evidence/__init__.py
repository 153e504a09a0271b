"""
Evidence: the claims of the requirements' checklist (section 7), measured on real services.

    target       what is measured: a gate on a bus, a query API, a counting vendor
    exhibit      one claim, how it was tried, what was seen, and the verdict
    hard_limit   EV-01    burst   EV-03    audit_trail   EV-04
    fresh_stack  an embedded stack of its own, in a directory that is deleted afterwards

What is seen and what it means are kept apart: `judge` is a pure function, and tests show it seen
figures that are off by one.
"""
