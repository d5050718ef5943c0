"""Why nothing recorded answers a request, and what mends it; pure but for a look at other cassettes' files.

explain          a miss: reason, differences, hints
hints            the option that would make two requests match
nearest          the recording that is most like a request
other_cassettes  files that seem to have a request
redactions       what is redacted on one side alone, and by which variable
"""
