"""
`vito up`: everything on one machine under one process.

    lock the data directory
    nats-server, PostgreSQL            started, until each answers
    setup steps                        roles, migrations, streams
    worker, projector, callout, api    started one after the other, each until it says ready
    keep                               who dies is restarted, later each time
    stop                               in reverse order, within five seconds

Children do not outlive us, whatever ends us. Everything acknowledged is on disk before it
is acknowledged, so an abrupt end loses nothing either.
"""
