"""misses."""
