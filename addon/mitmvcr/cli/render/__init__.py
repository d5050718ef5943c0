"""What subcommands print, as lines; nothing in here reads a cassette.

terminal      tables, colour, a closed pipe
interactions  `show`: a line of a table, readable text, JSON
changes       `diff`: what changed between two cassettes
findings      `lint`: text, JSON, SARIF, GitHub's commands
"""
