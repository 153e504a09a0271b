"""
The governance console: pages of the HTTP service, for the people who answer for a twin.

    pages       which pages there are, and who is offered which
    asking      one request to a page: who asks, in what language, what they sent
    api         the public command and query API, asked in that person's name
    forms       what a page was sent, and what was wrong with it
    rendering   templates, and how money, time and codes are written
    languages   English and Spanish
    signed_out  what is said when a session has ended
    extract     which texts there are, and which of them Spanish lacks
    said        those of them that the gate and the tables say
    site        all of it as one application below /console

Nothing in here reads a table or asks the gate: the console knows what `GET /v1/...` tells the
person who looks at it, and does what `POST /v1/...` lets them do. Each page is a file here, named
like its template.
"""
