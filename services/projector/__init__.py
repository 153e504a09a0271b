"""
The projector: follows every shard's stream and applies the projections, each commit once.

    source.py    where commits come from           chain.py    each follows the one before it
    opening.py   sealed bytes to commits           batches.py  small when idle, large under load
    apply.py     rows and positions, one transaction
    shard.py     one shard, for as long as we hold it    status.py  how far behind it is
    versions.py  which tables serve                rebuild.py  new tables beside the serving ones
"""
