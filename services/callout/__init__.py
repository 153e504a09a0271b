"""
The door of the bus: what an API key or a token becomes when its bearer connects.

A nats-server that does not know a login asks here (`auth_callout`), and gets a signed list of what
that connection may say and hear: the commands of one tenant under one principal, one inbox. The
server keeps to it, so that no process of ours has to believe what a message says of its sender.

    keys        the account key that signs answers, and the key that seals the exchange
    request     what a server asks, opened and checked; the answer, signed and sealed
    admission   who it is: directory, tokens, and what failed before
    rights      what they may say and hear, from the matrix of the domain
    throttle    whoever guesses waits
    eviction    what may not stay is disconnected, on every server
    process     all of it on a connection; two may run, and the faster answer counts

Static roles (worker, api …) do not come through here: they have passwords in the server's file.
Without this process nobody new gets in with a key; who is in stays in.
"""
