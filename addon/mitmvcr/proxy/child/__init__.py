"""What a launcher starts: the proxy's process, and its tie to the launcher.

- entrypoint: from an interpreter's start to mitmproxy's
- script: what mitmproxy loads there
- launcher_link: the launcher's order, carried out inside mitmproxy
"""
