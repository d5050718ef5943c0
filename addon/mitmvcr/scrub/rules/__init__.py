"""What secrets look like: tables and patterns; which texts are read with them is `detect`'s.

shapes     kinds with a prefix or shape of their own (shapes.toml)
literals   which of these kinds a text may hold
names      kinds that only the name in front tells (names.toml)
phrases    secrets behind fixed words: `sig=`, `Authorization:`; mail addresses (phrases.toml)
pattern_cost  whether a user's pattern takes too long on some text
tables     reads those files, and compiles a pattern when it is first needed
detection  what a rule has found, how random it is, and where words stand

headers.toml, parameters.toml and placeholders.toml are read by the modules of those names above, things.toml
(what only looks random) by detect/randomness.
"""
