"""HTTP's own rules, one reader each; no I/O.

content_coding  which coding a body is in, undone within a limit, done again
event_stream    AWS's event streams: frames with lengths and checksums, read and made anew
framing         which other bodies have lengths inside
go_rules        header names, status texts and forms as Go's net/http has them
hosts           hosts and origins in one spelling, globs of them, lists of NO_PROXY
multipart       the parts of a multipart body
pages           which web pages may ask
sse             the events of a stream, with their byte places
"""
