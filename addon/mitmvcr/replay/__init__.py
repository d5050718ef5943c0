"""Which recorded interaction answers a request, and as what it is served; no I/O.

ignore_paths     what `vcr_ignore` leaves out of a request
index            keys to interactions, and equal ones paired
insertion        a recorded response with the incoming request's own values in it
json_insertion   a request's values in JSON, and in streams of it
matcher          a request's key
overview         what can be told of recorded requests in some bytes each
own_values       replacements in a recorded request -> the incoming one's values
player           one session's place in a cassette
replacements     which recordings have replacements
served_response  what a client is sent
"""
