"""A tenant's log: sealing commits, folding them back to state, snapshots, and proof."""
