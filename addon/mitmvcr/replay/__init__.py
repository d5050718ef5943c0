"""Which recorded interaction answers a request, and as what it is served; no I/O.

ignore_paths     what `vcr_ignore` leaves out of a request
index            keys to interactions, and equal ones paired
matcher          a request's key
overview         what can be told of recorded requests in some bytes each
player           one session's place in a cassette
served_response  what a client is sent
"""
