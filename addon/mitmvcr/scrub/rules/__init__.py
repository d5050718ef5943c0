"""What secrets look like: tables and patterns; which texts are read with them is `detect`'s.

shapes     kinds with a prefix or shape of their own
names      kinds that only the name in front tells
phrases    secrets behind fixed words: `sig=`, `Authorization:`, PEM; mail addresses and home folders
detection  what a rule has found, and how random it is
"""
