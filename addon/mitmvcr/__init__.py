"""mitmvcr: record OpenAI traffic through mitmproxy into go-vcr cassettes, and replay it offline.

From top to bottom, each importing only what stands below it (docs/architecture.md):

cli                          the command
maintenance, testing         whole trees of files; tests
proxy                        mitmproxy's side
launch                       a proxy as a child process
serving                      a replaying server without I/O
control                      the control API
sessions                     open cassettes
reports, recording, misses   what a run came to; exchanges to entries; why nothing answers
compare                      what differs
store                        cassettes on disk
replay                       which recording answers
scrub                        secrets
formats                      bytes and the model
config                       options
http                         HTTP's own rules
model, durations, errors, text
"""

__version__ = "0.1.0"
