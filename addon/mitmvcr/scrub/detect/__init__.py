"""Text -> where secrets stand in it; changes no text.

tokens       the long runs of token characters, in which most secrets are
randomness   keys from words, numbers and names of things (trigrams.bin)
scan         what the rules find in them, and behind fixed words
seen_values  values that were seen as credentials, in any encoding
readings     a text unescaped, in UTF-16, or joined over a stream's events
json_leaves  a JSON text's values with their places
archives     content codings and archives -> what is in them, within bounds
search       all that together
"""
