"""What the user wants: options, mitmvcr.toml and the environment, parsed and checked before anything serves.

options         the table of options: names, defaults, help texts
settings        the options' texts to frozen Settings; reads no file
load            mitmvcr.toml and what was given over it, to Settings
environment     what variables of the environment say of this run: whether it is a CI's
user_functions  the functions that users name as py:FILE.py:NAME or py:MODULE:NAME
"""
