"""
`vito prover`: proves logs and tries policies on them for whoever asks over HTTP.

It alone is given what opens logs, and no page and no port leads to it: the server of HTTP asks it
over the bus, once it has found out that whoever is there may know. Two may run; each question goes
to one of them.

    questions    what it is asked and what it tells, on the subject `prove`
    own_command  `vito verify` and `vito preview`, in processes of their own
    proofs       what these find out, and what of it is of the twin that was asked about
    process      answers questions until it is told to stop
    asking       how the server of HTTP asks
"""
