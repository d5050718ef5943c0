"""Text -> where secrets stand in it; changes no text.

tokens       the long runs of token characters, in which most secrets are
randomness   keys from words, numbers and names of things (trigrams.bin)
scan         what the rules find in them, and behind fixed words
seen_values  values that were seen as credentials, in any encoding
escapes      a text with its escapes undone, or out of UTF-16, and the way back
json_leaves  a JSON text's values with their places and the names over them
readings     a text that was read, with the way back; what pieces make up together
bodies       a body, a URL -> its texts, each with what it is and the way back
streams      what a stream's events may make up together, at a quick look
coded        runs of Base64, hexadecimal and the like -> what they stand for
archives     content codings and archives -> what is in them, within bounds
search       all that together
"""
