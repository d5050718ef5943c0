"""What differs between requests, bodies and cassettes, and what bodies say; pure.

assembled        what the body of an answer says: text, tool calls, usage
cassette_diff    two cassettes, interaction by interaction
difference_text  a difference as text
json_diff        two JSON values, place by place
lookalikes       texts that look the same and are not
request_diff     two requests, in what matching looks at
"""
