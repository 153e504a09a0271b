"""
The real servers, started by us on a machine that has nothing installed.

A child process is ours from fork to reap (`child.py`); nats-server and PostgreSQL
come out of Python wheels and run in the foreground on loopback. Nothing here is
used in production, except the configuration text (`nats_config.py`,
`nats_permissions.py`), which `deploy/` is made from.
"""
