"""Parts of multipart bodies, as they stand and without the boundary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.http.multipart import body_parts

NAMES = st.text(st.characters(codec="utf-8", exclude_characters='\r\n"\\'), min_size=1, max_size=8)
DISPOSITION = b'Content-Disposition: form-data; name="%b"'
CONTENTS = st.binary(max_size=40).filter(lambda content: b"--xyz" not in content)


FIELDS = st.lists(st.tuples(NAMES, CONTENTS), min_size=1, max_size=5)


@given(FIELDS, st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_what_is_put_into_a_multipart_body_comes_out(
    fields: list[tuple[str, bytes]], newline: bytes, typed: bool
) -> None:
    body = b"".join(
        newline.join([b"--xyz", DISPOSITION % name.encode(), b"", content, b""]) for name, content in fields
    )
    body += b"--xyz--" + newline
    found = body_parts(body, "multipart/form-data; boundary=xyz" if typed else "multipart/form-data")
    first, *parts, end = found
    assert (first.raw, end.is_end) == (b"", True)
    assert b"--xyz".join(part.raw for part in found) == body
    assert [part.name for part in parts] == [name for name, _ in fields]
    if newline == b"\r\n" or not any(b"\r" in content for _, content in fields):
        assert [part.content for part in parts] == [content for _, content in fields]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"", "multipart/form-data"), (b"no boundary\r\nat all", ""), (b"--", ""), (b"--\r\n", "")],
)
def test_a_body_without_a_boundary_has_no_parts(body: bytes, content_type: str) -> None:
    assert body_parts(body, content_type) == []


def test_a_part_without_a_blank_line_has_no_content() -> None:
    assert body_parts(b"--x\r\nname\r\n--x--\r\n")[1].content is None
