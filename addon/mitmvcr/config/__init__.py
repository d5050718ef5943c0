"""What the user wants: options, mitmvcr.toml and the environment, parsed and checked before anything serves.

options         the table of options: names, defaults, help texts
settings        the options' texts to frozen Settings; reads no file
ignored_requests  requests that are answered with an empty success, never recorded
load            mitmvcr.toml and what was given over it, to Settings; whether this is a CI
user_functions  the functions that users name as py:FILE.py:NAME or py:MODULE:NAME
"""
