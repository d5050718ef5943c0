"""Cassettes on disk: found by name, read, locked, appended to, and whole whatever happens meanwhile.

locate    a cassette's name -> its file
cassette  a file, or folder, as it was read
cache     cassettes that were read, kept while their files are unchanged
watch     whether a file is still what was read
lock      one writer a cassette
writer    an interaction is one append; a torn end is set aside
atomic    the one way in which a whole file is written
recorded_url    from which base URL a cassette was recorded
recorded_hosts  the hosts of all cassettes below a folder
walk      the one way in which a folder is walked
"""
