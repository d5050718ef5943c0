"""What stands between mitmproxy and the rest; the only package that imports mitmproxy.

- addon: mitmproxy's hooks, from top to bottom the life of a process, a connection, a request
- options: mitmproxy's options -> settings
- flow_adapter: mitmproxy's messages <-> plain data, and by which name a client knows this proxy
- tunnels: what becomes of a CONNECT, and of what is in it
- upstream_errors: what mitmproxy says of an upstream that fails -> what happened, and what mends it
- fail_closed: what breaks in a hook refuses what the hook was called for
- engine_selection: whether hooks or our layer serve a connection
- hooks/: the one engine: what the addon does with flows
- layer/: the other: `serving` as a layer of mitmproxy's
- patches/: what is replaced inside mitmproxy, behind one gate
- child/: what a launcher starts
- certificate_authority, upstream_proxy, log_privacy, exit_status: as they are called
"""
