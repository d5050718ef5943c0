"""A replaying HTTP/1 server without I/O: a request's head and body in, an answer's bytes and its delay out.

- request_parser: a head's bytes -> what it says, or why it is refused
- request_head: a request's head in plain data, and which cassette, or what of the control API, it asks for
- request_lines: a request in a line of the log, without a secret
- outcomes: answered, refused, too large, missed, sent on: what becomes of a request, and its line in the log
- responder: heads and bodies -> answers' bytes; remembers heads, keys and answers, within bounds
- response_bytes: an answer -> header fields and bytes as one client gets them
- bounded: a mapping that forgets what was longest unused
"""
