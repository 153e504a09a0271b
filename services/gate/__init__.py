"""
The decision worker: the one process that may append to the logs of the shards that it owns.

    endpoints   NATS micro services: bytes in, bytes out
    inboxes     where an answer may go: to who has asked
    shard       the tenants of one shard: loading, timers, admission
    writer      one tenant: decides at once, groups what was decided into the next commit
    committer   puts commits into the log, alone or many tenants' in one batch
    lease       who owns which shard
    worker      the process
"""
