"""
Knowledge: documents become pieces that a person has read and approved, and a twin can cite.

    fetching    bytes of a source: an upload, a page, a transcript, a feed
    reading     bytes to blocks, each in a process of its own that cannot do harm
    document    what comes of it: blocks, places, chunks, flags; its hash is what is approved
    store       sealed uploads and contents, by hash
    drafts      chunks that nobody has approved, for who reviews them
    index       follows the log: `approvals` says what changes, `applying` writes it, `live` how
    vectors     of every live chunk; `models` says which serve, `embedders` what makes them
    retrieval   what a twin may know that has to do with a question; `ranking` has its statements
    reindex     holds what is live against log and store; `proof`: nothing lacks an approval
    retention   forgets what nobody needs any more
    worker      takes up what people ask for, and keeps the index as the log says

Nothing is retrieved but chunks of a content whose approval is in the log.
"""
