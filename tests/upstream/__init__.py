"""A stand-in for OpenAI's API: answers as it does, always the same to the same request, and never calls out.

Start it with `python -m tests.upstream`; from a test with `tests.upstream.server.Upstream.start()`.
It wants a key (`Authorization: Bearer …`, or `api-key` on Azure's paths; any but one that begins
with `sk-wrong`) and serves

    POST /v1/chat/completions       plain, streamed, tools, response_format, n, refusals
    POST /v1/completions            plain, streamed
    POST /v1/responses              plain, streamed, tools, text.format, reasoning, background, conversation
    GET DELETE /v1/responses/{id}   and POST …/cancel, GET …/input_items; `stream=true` with `starting_after`
    POST /v1/responses/input_tokens
    POST /v1/embeddings             float, base64; dimensions
    GET DELETE /v1/models/{id}      and GET /v1/models
    POST /v1/audio/speech           binary, chunked
    POST /v1/audio/transcriptions   multipart; json, verbose_json, text, srt, vtt, streamed; …/translations
    POST GET /v1/files              and GET DELETE /v1/files/{id}, GET /v1/files/{id}/content
    POST /v1/moderations
    POST /v1/images/generations     plain, streamed; multipart: …/edits, …/variations

    /v1/uploads                     and …/{id}/parts, …/complete, …/cancel
    /v1/batches                     and …/{id}/cancel; the answers are in the output file
    /v1/vector_stores               and …/{id}/search, …/files (…/content), …/file_batches (…/cancel, …/files)
    /v1/assistants                  /v1/threads, …/{id}/messages
    /v1/threads/{id}/runs           plain, streamed, tools; …/{id}/cancel, …/submit_tool_outputs, …/steps;
                                    POST /v1/threads/runs
    /v1/fine_tuning/jobs            and …/{id}/cancel, …/events, …/checkpoints
    /v1/conversations               and …/{id}/items

where the last block's objects are made by POST, changed by POST to one, shown and deleted where OpenAI
has it so, and listed, the newest first, with `limit`, `after`, `before` and `order`. Who waits for one asks
again: each GET of it moves it on by a step (a batch: validating, in_progress, finalizing, completed).
Their ids come from a counter for each kind.

The same is under `/openai/v1/…`, `/api/v1/…` and, as Azure has it with `?api-version=…`, under
`/openai/…` and `/openai/deployments/{name}/…`.

What a prompt does: it is said back, with a fixed sentence. A tool is called when `tool_choice`
wants it, or when the last message is the user's and says "tool" or a word (four letters or more, or
the whole name) of the tool's name; numbers and capitalised words of the prompt become its
arguments. `please refuse` gets a refusal. `no-such-…` is a model that doesn't exist.
`file-standin` is a file that always exists.

What a request can ask for, in the header `x-standin` or the query's `standin`, separated by commas
or semicolons:

    status=429               this error, in OpenAI's shape
    retry-after=1            that header on an error; retry-after-ms=20 too
    fail=2:429               the first two requests with the same `x-standin-id` header (without
                             one: the same method, path and body) get 429, later ones their answer
    leak                     an error's message names the organization, as OpenAI's 429 does
    count                    the answer's text begins with `#N `: the Nth such request, as for `fail`
    events=60                the number of a stream's deltas
    size=100000              the number of ASCII characters of the answer's text (of bytes, for speech)
    first=0.2                wait before the headers, in seconds
    delay=0.05               wait between a stream's events
    cut=5                    break off after 5 events (5 bytes, if the answer isn't a stream): HTTP/1.1
                             closes without the last chunk, HTTP/2 resets
    stall=5                  send no more after 5 events (bytes), until the client leaves
    drop                     break off before the headers
    no-done                  no `data: [DONE]`
    trailing=0.1             a comment line follows the end of the stream, that much later
    chunked                  no Content-Length
    encoding=gzip            gzip, br, zstd, deflate or identity, whatever Accept-Encoding says
    redirect=/v1/models      307 to there; redirect=302:/v1/models another status. A client takes the
                             header along to the new place: ask for it in the query

An unknown word is answered with 400. For tests, without a key and not logged:

    GET /__standin__/requests       [{method, path, http_version, headers, body_b64, complete}],
                                    the last 10,000; DELETE forgets them, what was counted, and the
                                    objects that have ids from a counter
    GET /__standin__/connections    {"accepted": N}: TCP connections, those that asked this left out
"""

from __future__ import annotations

ORGANIZATION = "org-" + "StandinOrganization" + "4711"
PROJECT = "proj_" + "StandinProject" + "4711"
CF_BM = "StandinBotManagement" + "4711-1741569952-1.0.1.1-" + "b" * 43
CFUVID = "StandinVisitor" + "4711-1741569952000-0.0.1.1-604800000"
CF_RAY = "standinray" + "4711-FRA"
REQUEST_ID = "req_" + "standin"

PRIVATE = (ORGANIZATION, PROJECT, CF_BM, CFUVID, CF_RAY, REQUEST_ID)
"""What the answers' headers hold and no cassette may: grep for each."""

REFUSE = "please refuse"
