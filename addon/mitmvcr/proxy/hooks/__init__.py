"""The engine that serves through mitmproxy's hooks, in every mode: records, replays, passes on.

- exchanges: the exchanges under way, from a request's headers to the cassette's file
- write_queue: those that ended, on their way to the cassette's file
- tee: bodies that are passed on and copied, or held
"""
