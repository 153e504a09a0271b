"""
`vito reconcile --every`: the service that asks the vendors for their sessions, round after round.

    process    connects, and runs until it is told to stop
    rounds     when to look: at everything now and then, at one twin soon after a hint
    hint       what the HTTP API says on the bus when a vendor's webhook has come
    figures    what was found and how long it took, for the log and for Prometheus

What a look does is in `services.vendors.reconciliation`. Two may run: each cost is booked once.
"""
