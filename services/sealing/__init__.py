"""
Sealing: bytes at rest that only the holder of a tenant's key can read, or change unnoticed.

    KEK   one per deployment, versioned, in a file      keyring.py
    DEK   one per tenant, versioned, stored wrapped     tenant_keys.py, wrapped_keys.py
    box   a sealed message, under a key of its own      box.py

A tenant is forgotten by destroying its DEKs: what they sealed, in the log and in every copy of
it, stays where it is and can never be opened again. Hashes over sealed bytes stay valid.
"""
