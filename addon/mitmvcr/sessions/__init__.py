"""The open cassettes and the sessions on them: what to do with a request, and what came of it all.

open_cassette  one cassette in use, and its sessions' places
table          all of them, by name; opens and closes them
"""
