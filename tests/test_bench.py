"""What the benchmarks could get wrong silently: chart and tables, what is asked, whose CPU it is."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench import chart, labels, page, replay
from bench.load import CPU, P50, P99, WALL, Asked, Connection, burst
from bench.measure import Goal, Line, Result, Spread, cpu_of_tree, plain
from bench.numbered import KINDS, PLAIN, TLS, Exchange, exchanges, write_cassette
from bench.peers import HOVERFLY, NGINX, OURS, STOCK
from tests import build
from tests.harness import ROOT


def spread(median: float) -> Spread:
    return Spread(median, median, median, 3)


def lines() -> list[Line]:
    """Ours twice as quick as hoverfly, both a hundred times slower than nginx."""
    times = {OURS: 12e-6, HOVERFLY: 24.3e-6, STOCK: 1.05e-3, NGINX: 0.12e-6, "stranger": 7e-6}
    found = [
        Line(replay.JSON.title, who, f"{who} 1.0", {CPU: spread(figure)}) for who, figure in times.items()
    ]
    found.append(Line(replay.JSON_ALONE.title, OURS, "us 1", {P50: spread(81e-6), P99: spread(2.345e-3)}))
    found.append(Line(replay.NEW_TLS.title, OURS, "us 1", {CPU: spread(3.3e-3)}))
    return found


def test_the_chart_is_xml_and_shows_each_figure_of_those_it_knows() -> None:
    root = ET.fromstring(chart.draw(lines(), "A < machine & its peers"))  # noqa: S314 - we have just made it
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "A < machine & its peers" in texts
    for figure in ("12", "24.3", "1,050", "0.12", "81 / 2,345", "3,300"):
        assert figure in texts
    assert "stranger" not in texts
    bars = [one for one in root.iter("{http://www.w3.org/2000/svg}rect") if "bar" in one.get("class", "")]
    assert len(bars) == 7  # ours is the first among many recordings, too
    width = float(root.attrib["width"])
    assert all(0 < float(bar.attrib["width"]) < width / 2 for bar in bars)
    inked = sorted(float(bar.attrib["width"]) for bar in bars[:4])
    assert inked == [float(bar.attrib["width"]) for bar in bars[:4]], "the quickest one comes first"


def test_without_figures_there_is_no_chart() -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        chart.draw([], "")


def test_the_docs_have_a_place_for_every_part_with_a_table() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    for part in ("replay", "record", "startup", "inprocess", "labels"):
        _, mark, after = text.partition(f"<!-- measured: {part} -->\n")
        assert mark
        assert "<!-- end -->" in after.partition("<!-- measured: ")[0]


def test_a_run_puts_its_figures_into_the_page_and_leaves_the_rest(tmp_path: Path) -> None:
    places = [f"<!-- measured: {part} -->\nold {part}\n<!-- end -->\n" for part in ("replay", "record")]
    (tmp_path / "benchmarks.md").write_text(f"before\n{places[0]}between\n{places[1]}after\n")
    goal = Result.of("JSON: CPU, beside hoverfly", "µs", [12e-6], [24e-6], Goal(0.667, "ratio"))
    missed = Result.of("JSON: CPU, beside nginx", "µs", [12e-6], [6e-6], Goal(1.1, "ratio"))
    about = {"system": "Linux", "machine": "x", "cores": 2, "python": "3", "mitmproxy": "12", "quick": True}
    measured: list[Line | Result] = [*lines(), goal, missed]
    found = [plain(one) for one in measured]
    page.write({"about": about, "parts": {"replay": found}}, tmp_path)
    text = (tmp_path / "benchmarks.md").read_text()
    assert text.startswith("before\n<!-- measured: replay -->\nLinux on x, 2 cores")
    assert "hoverfly 1.0" in text
    assert "| mitmvcr | 12 µs |" in text
    assert "| 12 µs | 24 µs | 2 times less | 1.5 times less |" in text
    assert "| 12 µs | 6 µs | 2.00 times **missed** | 1.10 times |" in text
    assert text.endswith(f"<!-- end -->\nbetween\n{places[1]}after\n")
    assert "old replay" not in text
    assert (tmp_path / "benchmarks.svg").read_text().startswith("<svg")


def test_of_labelled_keys_nearly_all_are_found_and_of_the_rest_hardly_any() -> None:
    for name, shares in labels.recall(300).items():
        assert min(shares) >= 0.97, name
    alarms, values = labels.false_alarms(), labels.harmless()
    assert sum(map(len, values.values())) > 250
    assert sum(map(len, alarms.values())) <= 2, alarms


def test_a_text_of_words_is_not_touched_and_one_with_a_key_is(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Set `api_key` to your key, or read it from `OPENAI_API_KEY_FILE`.")
    (tmp_path / "b.py").write_text('client = Client(api_key="9fK2mQx7Lp3ZaBcD8rTw")')
    assert labels.touched([tmp_path]) == (2, [f"{tmp_path / 'b.py'}, from 0 on"])
    assert labels.in_texts([tmp_path])[1] == [b"9fK2mQx7Lp3ZaBcD8rTw"]


@pytest.mark.parametrize("count", [1, 1_000])
def test_the_cassette_has_just_the_exchanges_that_are_asked_for(tmp_path: Path, count: int) -> None:
    file = tmp_path / "bench.yaml"
    write_cassette(file, count)
    bases = (PLAIN, TLS) if count == 1 else (PLAIN,)
    wanted = [one.recorded(base) for base in bases for one in exchanges(count)]
    assert len(wanted) == (4 if count == 1 else count)
    build.write(tmp_path / "wanted.yaml", *wanted)
    assert file.read_bytes() == (tmp_path / "wanted.yaml").read_bytes()


def test_exchanges_of_a_kind_are_all_of_one_size() -> None:
    for kind, size in zip(KINDS, (1_000, 16_287), strict=True):
        those = [Exchange(number, kind) for number in (0, 17, 99_999)]
        assert {len(one.answer) for one in those} == {size}
        assert len({one.answer for one in those}) == 3
        assert len({len(one.on_the_wire().request) for one in those}) == 1


@contextmanager
def answering(answers: Sequence[bytes]) -> Iterator[int]:
    """The port of a server that sends these, one for each request of its one client, in two parts."""

    def serve(listener: socket.socket) -> None:
        client, _ = listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with client:
            for answer in answers:
                if not client.recv(1 << 16):
                    return
                client.sendall(answer[:30])
                time.sleep(0.01)
                client.sendall(answer[30:])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield listener.getsockname()[1]
    thread.join()


PLAIN_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n"


@pytest.mark.parametrize("answer", [PLAIN_ANSWER, CHUNKED], ids=["length", "chunked"])
def test_answers_are_compared_whole_and_then_counted(answer: bytes) -> None:
    with answering([answer] * 6) as port:
        connection = Connection(port, "plain", 60)
        asked = Asked(b"a request", b"0123456789")
        size = connection.check(asked)
        assert size == len(answer)
        figures = burst([connection], iter([asked] * 5), size, 5, lambda: 0.0)
        assert 0.01 <= figures[P50] <= figures[P99]
        assert figures[WALL] >= 0.01
        connection.close()


@pytest.mark.parametrize("answer", [PLAIN_ANSWER.replace(b"9", b"8"), PLAIN_ANSWER.replace(b"200", b"404")])
def test_another_answer_is_no_measurement(answer: bytes) -> None:
    with answering([answer]) as port:
        connection = Connection(port, "plain", 60)
        with pytest.raises(AssertionError, match="not the right answer"):
            connection.check(Asked(b"a request", b"0123456789"))
        connection.close()


def test_an_error_or_a_shorter_answer_ends_a_burst() -> None:
    for answer in (PLAIN_ANSWER.replace(b"200", b"500"), PLAIN_ANSWER + b"more"):
        with answering([answer]) as port:
            connection = Connection(port, "plain", 60)
            with pytest.raises(AssertionError):
                burst([connection], iter([Asked(b"a", b"")]), len(PLAIN_ANSWER), 1, lambda: 0.0)
            connection.close()


@pytest.mark.skipif(sys.platform != "linux", reason="CPU clocks of processes are Linux's")
def test_the_cpu_of_children_counts_while_they_run_and_when_they_have_ended() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass\n"
    parent = f"""\
import subprocess, sys
subprocess.run([sys.executable, "-c", {burn!r}])
subprocess.Popen([sys.executable, "-c", {burn!r} + "print('there', flush=True); input()"]).wait()
"""
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        assert cpu_of_tree(process.pid) >= 0.6
        process.communicate("\n")
