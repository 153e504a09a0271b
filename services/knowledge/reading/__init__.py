"""
Bytes to blocks, each document in a process of its own that cannot do harm.

    reader            starts a process for each document, bounds it, and takes its answer
    child             that process: confines itself, then reads
    confinement       what it may not do any more: memory, time, files, network, programs
    answer            what the two say to each other
    limits            how much of everything a document may have

    media_type        what bytes are, whatever they are called
    document          which reader reads what
    pdf, word, web_page, markdown, plain_text, json_feed, transcript
    notebook          takes down blocks and flags, and keeps the limits
    hidden_characters, instructions   what whoever reviews should look at

What people who look at the document cannot see is flagged and never used.
"""
