"""The engine that serves replay below mitmproxy's HTTP layers: `serving` as a layer of mitmproxy's, no hooks.

- placement: where it may stand in a connection, what stands there else, TLS in front of it
- http1_layer: the layer
"""
