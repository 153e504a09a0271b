"""
The projector: follows every shard's stream and applies the projections, each commit once.

    log.py       the real log and keys             source.py   what is asked of them
    chain.py     each follows the one before it    opening.py  sealed bytes to commits
    batches.py   what commits change, put together while the batch before it is written
    apply.py     rows and positions, one transaction
    shard.py     one shard, for as long as we hold it      status.py   how far behind it is
    versions.py  which tables serve                rebuild.py  new tables beside the serving ones
    grants.py    who reads which of the public views
    process.py   the process `vito projector`
"""
