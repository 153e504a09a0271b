"""
Copies of the log and of the wrapped keys, outside the servers that hold them.

    jetstream   asks a server for a stream's bytes, and gives them back to one
    archive     a directory with these bytes, and a manifest that says whether they are intact
    deployment  which streams there are, and in which order they are copied

What a copy is worth: the log without the keys cannot be read, and neither can both without the
KEK, which is never here. Snapshots, leases and Postgres are not copied: they are made again.
"""
