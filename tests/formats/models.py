"""Strategies for cassettes: what any format must carry through a round trip."""

from __future__ import annotations

from hypothesis import strategies as st

from mitmvcr.formats import recorded_http
from mitmvcr.model import Cassette, Interaction

METHODS = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
URLS = st.sampled_from(
    [
        "https://api.openai.com/v1/chat/completions",
        "http://localhost:11434/v1/models?limit=2&after=a%20b",
        "https://example.openai.azure.com/openai/deployments/x/chat/completions?api-version=2024-10-21",
    ]
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=200)
BODIES = st.one_of(
    st.binary(max_size=200), TEXT.map(str.encode), st.just(b'{"a": 1}'), st.just(b"data: x\n\n")
)
HEADERS = st.dictionaries(
    st.sampled_from(["Content-Type", "X-Request-Id", "Set-Cookie", "Openai-Version", "Retry-After"]),
    st.lists(
        st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20),
        min_size=1,
        max_size=1,
    ),
)


@st.composite
def interactions(draw: st.DrawFn) -> Interaction:
    request = recorded_http.request(draw(METHODS), draw(URLS), draw(HEADERS), draw(BODIES))
    code = draw(st.sampled_from([200, 201, 204, 400, 429, 500, 599]))
    content_type = {"Content-Type": [draw(st.sampled_from(["application/json", "text/plain", "audio/mpeg"]))]}
    response = recorded_http.response(code, "", draw(HEADERS) | content_type, draw(BODIES))
    return Interaction(request, response)


CASSETTES = st.lists(interactions(), max_size=4).map(
    lambda drawn: Cassette([Interaction(i.request, i.response, number) for number, i in enumerate(drawn)])
)
