"""Starting the proxy as a child process, and the environment that leads a program to it.

Nothing in here imports mitmproxy or serves anything: `process` starts, waits and stops, `environment` and
`trust` say what a program needs to find and trust the proxy, `contract` is what the two processes tell
each other. `mitmvcr run`, `mitmvcr env` and the pytest plugin are made of it.
"""
