"""What is replaced inside mitmproxy or stands on what it doesn't promise; `gate` is the way in.

- gate: the versions of mitmproxy that all of it was tried on, and what puts it in place
- http1: what mitmproxy gets wrong in HTTP/1 and TLS
- http2: upstreams of HTTP/2 that go
- upstream: what an upstream of HTTP/1 may do, and what comes of a request that nothing answers
- idle: when a client's connection is idle
- hook_dispatch: hooks and chunks with less CPU
- client_tls: TLS with clients of recorded hosts, with less CPU
- socket_bypass: requests that are answered below mitmproxy's streams
- lazy_imports: what a start does without
"""
