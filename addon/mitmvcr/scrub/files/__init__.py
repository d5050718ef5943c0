"""A cassette's bytes -> the secrets in them, and the same bytes without; reads and writes no files.

file_secrets    the two above, for any format
quick_look      a look at the whole, more than which most files don't need
document        YAML or JSON -> its values and the bytes in which each stands
roles           which value is what: a header, a URL, a body
finder          what is decided about a message -> edits of the bytes
function_edits  what the user's functions change -> edits of the bytes
writeback       from a place in a value to the place in the text
"""
