"""An exchange -> an entry in a cassette.

capture   what went over the wire as Go's client would have seen it
recorder  scrub, emit, gate, append
settle    a conversation that was recorded again, so that its diff is what upstream changed
"""
