"""
Bytes of a source that is somewhere else: a page, the transcript of a video, a vendor's feed.

    target            an address that somebody typed, in its one meaning; or why it is refused
    public_address    which IP addresses belong to others; everything else is never connected to
    safe_http         one exchange with a stranger: checked, bounded, without cookies and proxies
    web, media_type   a page or file, through its redirects
    youtube, video    what is said in a video
    feed              live data of a vendor, under a grant

Whoever adds a source chooses an address that *we* connect to from inside the deployment. So nothing
is believed of it: not the name, not the answer of a name server, not a redirect.
"""
