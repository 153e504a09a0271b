"""
Vendors: the only way out of the house.

    chat, speech, face, data, embedding
               what vendors are for: a protocol each, and adapters that speak it

    outbound   opens connections to vendors; wants a meter for every request
    adapter    what a vendor's adapter is; all of them are listed here by a test
    metered    authorise, wait, call, settle, whatever happens in between; `metered_stream` for what
               goes on in slices, `metered_pieces` for answers that come in pieces
    speaking_adapters  models, voices and ears that a process has
    counting   the adapter of the counting vendor, `counting_vendor` the vendor itself
    failed     how vendors say no, in kinds that a caller can act on
    allowance  what a key may still ask of its vendor
    reconciliation  sessions that nobody pays for are ended and booked; `reconciling` for every twin
    addresses  where each vendor is: the real one, or the sandbox (`services.sandbox`)

A meter comes from a grant, a grant comes from an authorisation (`services.client.grant`), so
nothing reaches a vendor that the gate has not let through. A vendor's key comes from the grant as
well (`await grant.secret(name)`), so that it is opened for a call and never before. A new adapter
subclasses `VendorAdapter`, takes a grant first in whatever sends, and sends through `Outbound`.
"""
