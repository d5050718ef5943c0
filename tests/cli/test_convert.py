"""`mitmvcr convert`: what is written, what is left alone, what is said about it."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest

from mitmvcr.cli import main
from mitmvcr.formats import govcr, har, vcrpy
from mitmvcr.formats.govcr import Dialect
from mitmvcr.model import Cassette, Interaction
from mitmvcr.store import cassette
from tests.build import write
from tests.cli.command import COMMAND, ENV, KEY, exchange, mitmvcr, write_llamastack, write_vcrpy
from tests.formats.real_vcrpy import deserialize, yamlserializer

SEED = Path(__file__).parents[3] / "shared" / "seeds" / "vcrpy_v1_llm_test_tool_use_basic.yaml"
PRIVATE = (KEY, "acme-organization", "cookie-value", "tainless")


def interactions(path: Path) -> list[Interaction]:
    return list(cassette.read(path).cassette.interactions)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def test_vcrpy_cassette_becomes_one_of_go_vcr_without_secrets_and_with_equal_bodies(tmp_path: Path) -> None:
    source = write_vcrpy(tmp_path / "a.yaml", exchange("one"), exchange("two"))
    ran = mitmvcr("convert", source, tmp_path / "b.yaml")
    assert ran.status == 0, ran.err
    data = (tmp_path / "b.yaml").read_bytes()
    assert not [secret for secret in PRIVATE if secret.encode() in data]
    assert data.count(b"    duration: 0s\n") == 2
    converted = govcr.load(data).interactions
    assert govcr.dump(Cassette(converted), Dialect.CHARM) == data
    originals = [exchange("one"), exchange("two")]
    assert [(i.request.method, i.request.url, i.request.body) for i in converted] == [
        (i.request.method, i.request.url, i.request.body) for i in originals
    ]
    assert [(i.response.code, i.response.body) for i in converted] == [
        (i.response.code, i.response.body) for i in originals
    ]


@pytest.mark.skipif(not SEED.exists(), reason="there is no ../shared/seeds")
def test_seed_loses_cookies_organization_and_stainless_headers_and_keeps_its_bodies(tmp_path: Path) -> None:
    assert main(["convert", str(SEED), str(tmp_path / "seed.yaml")]) == 0
    data = (tmp_path / "seed.yaml").read_bytes().lower()
    requests, responses = deserialize(SEED.read_text(), yamlserializer)
    (organization,) = responses[0]["headers"]["openai-organization"]
    for gone in (b"cookie", b"__cf_bm", b"openai-organization", organization.encode(), b"stainless"):
        assert gone not in data
    converted = interactions(tmp_path / "seed.yaml")
    assert [(i.request.method, i.request.url, i.request.body) for i in converted] == [
        (request.method, request.uri, request.body) for request in requests
    ]
    assert [(i.response.code, i.response.body) for i in converted] == [
        (response["status"]["code"], response["body"]["string"]) for response in responses
    ]


def test_stock_dialect_is_go_vcrs_own_layout_with_the_urls_host(tmp_path: Path) -> None:
    source = write_vcrpy(tmp_path / "a.yaml")
    assert main(["convert", "--dialect", "stock", str(source), str(tmp_path / "b.yaml")]) == 0
    data = (tmp_path / "b.yaml").read_bytes()
    assert b"\n    - id: 0\n" in data
    assert interactions(tmp_path / "b.yaml")[0].request.host == "api.openai.com"


def test_what_vcrpy_has_no_place_for_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "a.yaml"
    write(source, exchange(duration=1_500_000_000))
    assert main(["convert", "--to", "vcrpy", str(source), str(tmp_path / "out")]) == 0
    assert "lost in vcrpy: durations (1 file)" in capsys.readouterr().out
    requests, responses = deserialize((tmp_path / "out" / "a.yaml").read_text(), yamlserializer)
    assert requests[0].body == exchange().request.body
    assert responses[0]["body"]["string"] == exchange().response.body


def test_destination_named_har_is_har(tmp_path: Path) -> None:
    source = write_vcrpy(tmp_path / "a.yaml")
    assert main(["convert", str(source), str(tmp_path / "b.har")]) == 0
    (converted,) = har.load((tmp_path / "b.har").read_bytes()).interactions
    assert converted.response.body == exchange("a").response.body
    assert KEY not in (tmp_path / "b.har").read_text()


def test_secret_in_a_body_is_replaced_also_before_its_header_came(tmp_path: Path) -> None:
    password = "Correct" + "Horse9Battery"
    echo = exchange(body=f'{{"echo": "{password}"}}'.encode())
    later = exchange("later")
    later.request.headers["Api-Key"] = [password]  # type: ignore[index]
    source = write_vcrpy(tmp_path / "a.yaml", echo, later)
    for target in ("b.yaml", "b.har"):
        assert main(["convert", str(source), str(tmp_path / target)]) == 0
        assert password not in (tmp_path / target).read_text()


def test_kept_headers_are_kept(tmp_path: Path) -> None:
    source = write_vcrpy(tmp_path / "a.yaml")
    assert main(["convert", "--keep-headers", "X-Stainless-Lang", str(source), str(tmp_path / "b.yaml")]) == 0
    assert interactions(tmp_path / "b.yaml")[0].request.headers["X-Stainless-Lang"] == ("python",)


def test_tree_keeps_its_shape_and_passes_over_what_is_no_cassette(tmp_path: Path) -> None:
    tree = tmp_path / "src"
    write_vcrpy(tree / "a.yaml")
    write_vcrpy(tree / "deep" / "er" / "b.yml")
    (tree / "deep" / "c.yaml.gz").write_bytes(gzip.compress(write_vcrpy(tmp_path / "c.yaml").read_bytes()))
    write_vcrpy(tree / "no suffix v1.2")
    write_vcrpy(tree / ".hidden" / "d.yaml")
    (tree / "README.md").write_text("# Nothing\n")
    (tree / "compose.yaml").write_text("version: '3'\nservices: {}\n")
    (tree / "data.json").write_text('{"log": 3}')
    (tree / "empty").touch()
    ran = mitmvcr("convert", tree, tmp_path / "out")
    assert ran.status == 0, ran.err
    assert files(tmp_path / "out") == {"a.yaml", "deep/er/b.yaml", "deep/c.yaml", "no suffix v1.2.yaml"}
    assert ran.out.splitlines()[-1] == "4 converted, 4 files passed over (no cassettes)"


def test_failing_file_stops_nobody_else_and_is_named_with_the_reason(tmp_path: Path) -> None:
    tree = tmp_path / "src"
    write_vcrpy(tree / "a.yaml")
    (tree / "b.yaml").write_text("interactions:\n- request: {method: GET, uri: 'http://x/'}\n  response: [\n")
    write_vcrpy(tree / "c.yaml")
    ran = mitmvcr("convert", tree, tmp_path / "out")
    assert ran.status == 1
    assert files(tmp_path / "out") == {"a.yaml", "c.yaml"}
    (line,) = (line for line in ran.out.splitlines() if "failed: " in line)
    assert "b.yaml" in line
    assert "VCR.py v1" in line
    assert "line 3" in line or "line 4" in line
    assert ran.out.splitlines()[-1] == "2 converted, 1 failed"


@pytest.mark.parametrize(
    ("content", "said"),
    [("hello", "this is no cassette"), ("version: 1\n", "no 'interactions' in it"), ("", "an empty file")],
)
def test_named_file_that_is_no_cassette_is_an_error(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "a.yaml").write_text(content)
    ran = mitmvcr("convert", "a.yaml", "out", cwd=tmp_path)
    assert ran.status == 1
    assert said in ran.out
    assert not (tmp_path / "out").exists()


def test_llama_stack_folder_is_one_cassette_and_what_it_skips_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "src" / "recordings"
    write_llamastack(folder, "b.json", "two")
    write_llamastack(folder, "a.json", "one")
    tool = write_llamastack(folder, "tool.json")
    tool.write_text(tool.read_text().replace("http://0.0.0.0:11434/v1/v1/chat/completions", "tool://search"))
    write_vcrpy(folder / "other.yaml")
    ran = mitmvcr("convert", tmp_path / "src", tmp_path / "out")
    assert ran.status == 0, ran.out
    assert files(tmp_path / "out") == {"recordings.yaml", "recordings/other.yaml"}
    assert [i.request.body for i in interactions(tmp_path / "out" / "recordings.yaml")] == [
        b'{"model":"llama","messages":[{"role":"user","content":"%s"}]}' % text for text in (b"one", b"two")
    ]
    assert "tool.json is left out: a call of a tool" in ran.out
    assert main(["convert", str(folder), str(tmp_path / "single.yaml")]) == 0
    assert len(interactions(tmp_path / "single.yaml")) == 2


def test_cassette_with_nothing_to_serve_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "interactions:\n- request: {method: SELECT, uri: 'sql://x'}\n  response: {status: 200}\nversion: 1\n"
    )
    ran = mitmvcr("convert", "a.yaml", "b.yaml", cwd=tmp_path)
    assert ran.status == 1
    assert "nothing in it can be served over HTTP: interaction 0" in ran.out
    assert files(tmp_path) == {"a.yaml"}


def test_existing_file_is_left_alone_without_force(tmp_path: Path) -> None:
    source = write_vcrpy(tmp_path / "a.yaml")
    target = tmp_path / "b.yaml"
    target.write_text("mine")
    ran = mitmvcr("convert", source, target)
    assert ran.status == 1
    assert "exists: --force writes over it" in ran.out
    assert target.read_text() == "mine"
    assert main(["convert", "--force", str(source), str(target)]) == 0
    assert len(interactions(target)) == 1
    assert files(tmp_path) == {"a.yaml", "b.yaml"}


def test_check_writes_nothing_and_says_what_would_come(tmp_path: Path) -> None:
    write_vcrpy(tmp_path / "src" / "a.yaml")
    (tmp_path / "src" / "b.yaml").write_text("interactions: 3\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.yaml").write_text("mine")
    for arguments in (("src", "new"), ("src",)):
        ran = mitmvcr("convert", "--check", *arguments, cwd=tmp_path)
        assert ran.status == 1
        assert "1 can be converted, 1 failed" in ran.out
    assert "2 failed" in mitmvcr("convert", "--check", "src", "out", cwd=tmp_path).out
    assert files(tmp_path) == {"src/a.yaml", "src/b.yaml", "out/a.yaml"}


def test_two_sources_of_one_target_are_refused_and_others_go_on(tmp_path: Path) -> None:
    tree = tmp_path / "src"
    write_vcrpy(tree / "a.yaml")
    write_vcrpy(tree / "a.yml")
    write_vcrpy(tree / "b.yaml")
    (tree / "b.json").write_text("{}")  # no cassette, so no rival
    ran = mitmvcr("convert", tree, tmp_path / "out")
    assert ran.status == 1
    assert files(tmp_path / "out") == {"b.yaml"}
    assert ran.out.count("would become") == 2
    assert mitmvcr("convert", tree / "a.yaml", tree / "a.yaml", tmp_path / "twice").status == 0


def test_destination_inside_the_source_is_not_converted_again(tmp_path: Path) -> None:
    write_vcrpy(tmp_path / "a.yaml")
    for _ in range(2):
        assert main(["convert", "--force", str(tmp_path), str(tmp_path / "out")]) == 0
    assert files(tmp_path) == {"a.yaml", "out/a.yaml"}


def test_source_inside_the_destination_is_converted(tmp_path: Path) -> None:
    write_vcrpy(tmp_path / "old" / "a.yaml")
    assert main(["convert", str(tmp_path / "old"), str(tmp_path)]) == 0
    assert files(tmp_path) == {"a.yaml", "old/a.yaml"}


def test_tree_is_converted_in_its_own_place_only_with_force(tmp_path: Path) -> None:
    source = write_vcrpy(tmp_path / "a.yaml")
    before = source.read_bytes()
    assert main(["convert", str(tmp_path), str(tmp_path)]) == 1
    assert source.read_bytes() == before
    assert main(["convert", "--force", str(tmp_path), str(tmp_path)]) == 0
    assert cassette.read(source).format.name == "go-vcr"


def test_links_that_lead_in_circles_or_out_are_harmless(tmp_path: Path) -> None:
    tree, out, elsewhere = tmp_path / "src", tmp_path / "out", tmp_path / "elsewhere"
    write_vcrpy(tree / "sub" / "a.yaml")
    (tree / "sub" / "up").symlink_to(tree)
    (tree / "self").symlink_to(tree / "self")
    (tree / "linked.yaml").symlink_to(tree / "sub" / "a.yaml")
    os.mkfifo(tree / "pipe.yaml")
    elsewhere.mkdir()
    out.mkdir()
    (out / "sub").symlink_to(elsewhere)
    ran = mitmvcr("convert", tree, out)
    assert ran.status == 1
    assert "leads out of" in ran.out
    assert not files(elsewhere)
    assert files(out) == {"linked.yaml"}


def test_many_files_are_converted_in_several_processes_in_order(tmp_path: Path) -> None:
    big = exchange("x" * 60_000)
    for number in range(60):
        write_vcrpy(tmp_path / "src" / f"{number:02}.yaml", big)
    (tmp_path / "src" / "30.yaml").write_text("interactions: 3\n")
    ran = mitmvcr("convert", "--jobs", "2", tmp_path / "src", tmp_path / "out")
    assert ran.status == 1
    names = [Path(line.split()[0]).name for line in ran.out.splitlines()[1:-1]]
    assert names == [f"{number:02}.yaml" for number in range(60)]
    assert len(files(tmp_path / "out")) == 59
    assert ran.err == ""


@pytest.mark.slow
def test_long_work_shows_its_progress_on_a_terminal_and_takes_it_away(tmp_path: Path) -> None:
    big = exchange("x" * 60_000)
    for number in range(150):
        write_vcrpy(tmp_path / "src" / f"{number:03}.yaml", big, big)
    ours, theirs = pty.openpty()
    command = [*COMMAND, "convert", "--jobs", "1", str(tmp_path / "src"), str(tmp_path / "out")]
    with subprocess.Popen(command, env=ENV, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # Linux's way to say that nobody holds the other side
            while came := os.read(ours, 1 << 16):
                shown += came
    os.close(ours)
    assert process.returncode == 0
    assert b"/150 " in shown
    assert shown.endswith(b"\r\033[K")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_work_leaves_whole_files_only(tmp_path: Path, stop: signal.Signals) -> None:
    big = exchange("x" * 60_000)
    for number in range(150):
        write_vcrpy(tmp_path / "src" / f"{number:03}.yaml", big, big)
    out = tmp_path / "out"
    process = subprocess.Popen(
        [*COMMAND, "convert", "--jobs", "2", str(tmp_path / "src"), str(out)],
        env=ENV,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 30
    while not list(out.rglob("*.yaml")) and time.monotonic() < deadline:
        time.sleep(0.01)
    # As the terminal's Ctrl-C: to the process and those that it started.
    (os.killpg if stop is signal.SIGINT else os.kill)(process.pid, stop)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (130 if stop is signal.SIGINT else 143)
    assert err == ""
    assert 0 < len(files(out)) < 150
    for path in out.iterdir():
        assert path.suffix == ".yaml", path
        assert len(interactions(path)) == 2
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("missing.yaml", "out"), "missing.yaml: there is no such file"),
        (("a.yaml",), "where shall a.yaml go?"),
        (("empty", "out"), "empty: there is no cassette (0 files looked at)"),
        (("a.yaml", "b.yaml", "out.yaml"), "name a folder"),
        (("a.yaml", "out.har", "--to", "go-vcr"), "a file of go-vcr is named .yaml or .yml"),
        (("a.yaml", "out.yaml.gz"), "a file of go-vcr is named .yaml or .yml"),
        (("a.yaml", "file"), "this is a file"),
        (("a.yaml", "out", "--keep-headers", "Authorization"), "uthorization"),
    ],
)
def test_wrong_use_is_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    write_vcrpy(tmp_path / "a.yaml")
    write_vcrpy(tmp_path / "b.yaml")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    ran = mitmvcr("convert", *arguments, cwd=tmp_path)
    assert ran.status == 1
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert files(tmp_path) == {"a.yaml", "b.yaml", "file"}


def test_converted_tree_converts_back_to_the_same_exchanges(tmp_path: Path) -> None:
    source = write_vcrpy(tmp_path / "a.yaml", exchange("one"), exchange("two"))
    assert main(["convert", str(source), str(tmp_path / "b.yaml")]) == 0
    assert main(["convert", "--to", "vcrpy", str(tmp_path / "b.yaml"), str(tmp_path / "c.yaml")]) == 0
    back = vcrpy.load((tmp_path / "c.yaml").read_bytes()).interactions
    there = interactions(tmp_path / "b.yaml")
    assert [i.response.body for i in back] == [i.response.body for i in there]
    assert json.loads(back[0].request.body) == json.loads(exchange("one").request.body)


def test_replacements_in_a_converted_cassette_are_numbered_on(tmp_path: Path) -> None:
    old = exchange(body=b'{"a": "REDACTED-token-1"}')
    new = exchange(body=f'{{"b": "{KEY}"}}'.encode())
    source = write_vcrpy(tmp_path / "a.yaml", old, new)
    assert main(["convert", str(source), str(tmp_path / "b.yaml")]) == 0
    first, second = interactions(tmp_path / "b.yaml")
    assert first.response.body == b'{"a": "REDACTED-token-1"}'
    assert second.response.body == b'{"b": "REDACTED-token-2"}'


def test_torn_last_interaction_is_left_out_and_said(tmp_path: Path) -> None:
    source = tmp_path / "a.yaml"
    write(source, exchange("one"), exchange("two"))
    source.write_bytes(source.read_bytes()[:-20])
    ran = mitmvcr("convert", source, tmp_path / "b.yaml")
    assert ran.status == 0
    assert "the last interaction is torn" in ran.out
    assert len(interactions(tmp_path / "b.yaml")) == 1
