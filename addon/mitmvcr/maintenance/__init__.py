"""Whole trees of cassettes: converted, scrubbed, looked through for secrets.

convert       one cassette -> another format
convert_tree  many, from files to files
scrub_tree    many, scrubbed in place or looked through
process_pool  the work shared out to processes
"""
