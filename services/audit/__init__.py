"""
Audit: what anybody with the auditor's rights can find out about a log, and prove.

    access      the log, the keys and the snapshots, opened as the role `auditor`
    following   the log as it grows, commit by commit             `vito tail`
    words       an event in plain words                           `vito tail`
    replay      the state as the gate saw it at some moment       `vito replay`
    ledger      the rows that the tables must show, from the log  `vito verify`
    verify      chain, boxes, fold, live gate, snapshot, Postgres `vito verify`
    status      what runs where                                   `vito status`

Nothing here decides, writes to the log, or trusts a snapshot: a replay begins at commit 1.
"""
