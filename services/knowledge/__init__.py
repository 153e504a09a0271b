"""
Knowledge: documents become pieces that a person has read and approved, and a twin can cite.

    fetching    bytes of a source: an upload, a page, a transcript, a feed
    reading     bytes to blocks, each in a process of its own that cannot do harm
    document    what comes of it: blocks, places, chunks, flags; its hash is what is approved
    store       sealed contents, by hash
    index       draft chunks, live chunks, vectors
    retrieval   what a twin may know that has to do with a question
    worker      takes up what people ask for, and keeps the index as the log says

Nothing is retrieved but chunks of a content whose approval is in the log.
"""
