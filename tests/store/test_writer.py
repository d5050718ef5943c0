"""A cassette that is written: whole whatever happens meanwhile, an append an entry."""

from __future__ import annotations

import errno
import os
import random
import re
import sys
import time
from pathlib import Path

import pytest

from mitmvcr.errors import CassetteError
from mitmvcr.formats import govcr
from mitmvcr.formats.govcr import Dialect
from mitmvcr.model import Cassette, Interaction
from mitmvcr.store import cassette
from mitmvcr.store.writer import Writer
from tests.build import interaction, write
from tests.store.cassettes import add, bodies, child, litter, writer


@pytest.mark.parametrize("dialect", Dialect)
def test_a_new_cassette_is_what_was_appended_in_its_dialect(tmp_path: Path, dialect: Dialect) -> None:
    path = tmp_path / "a.yaml"
    new = writer(path, dialect)
    add(new, 1, {"two": 2}, b"\xff\x00")
    new.close()
    assert bodies(path) == [b"1", b'{"two": 2}', b"\xff\x00"]
    column = 4 if dialect is Dialect.STOCK else 0
    assert path.read_text("latin-1").count(f"\n{' ' * column}- id: ") == 3
    # As if go-vcr had written the whole.
    assert path.read_bytes() == govcr.dump(Cassette(cassette.read(path).cassette.interactions), dialect)


@pytest.mark.parametrize(("dialect", "host"), [(Dialect.CHARM, ""), (Dialect.STOCK, "api.openai.com")])
def test_the_host_is_what_the_dialect_s_own_program_writes(
    tmp_path: Path, dialect: Dialect, host: str
) -> None:
    new = writer(tmp_path / "a.yaml", dialect)
    add(new, 1)
    new.close()
    assert cassette.read(tmp_path / "a.yaml").cassette.interactions[0].request.host == host


def test_nothing_comes_into_being_before_the_first_entry(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "a.yaml"
    idle = writer(path)
    assert not path.exists()
    idle.close()
    assert list(tmp_path.iterdir()) == []


def test_lock_and_temporary_files_are_gone_after_close(tmp_path: Path) -> None:
    new = writer(tmp_path / "deep" / "a.yaml")
    assert litter(tmp_path / "deep") != []
    add(new, 1)
    new.close()
    new.close()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.yaml"]


def test_folders_that_hold_something_else_by_then_stay(tmp_path: Path) -> None:
    idle = writer(tmp_path / "deep" / "er" / "a.yaml")
    (tmp_path / "deep" / "other").touch()
    idle.close()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["other"]


def test_recording_anew_keeps_the_old_file_until_the_first_entry(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    write(path, interaction("old"), interaction("older"))
    before = path.read_bytes()
    idle = writer(path, anew=True)
    idle.close()
    assert path.read_bytes() == before
    anew = writer(path, anew=True)
    assert path.read_bytes() == before
    add(anew, "new")
    assert bodies(path) == [b"new"]
    add(anew, "newer")
    anew.close()
    assert bodies(path) == [b"new", b"newer"]


def test_each_entry_is_whole_in_the_file_as_soon_as_it_is_appended(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    new = writer(path)
    for number in range(20):
        add(new, number)
        assert bodies(path) == [str(n).encode() for n in range(number + 1)]
    new.close()


STOCK_ENTRY = """    - id: 0
      request:
        proto: HTTP/1.1
        proto_major: 1
        proto_minor: 1
        content_length: 0
        host: h
        body: ""
        url: https://h/
        method: GET
      response:
        proto: HTTP/1.1
        proto_major: 1
        proto_minor: 1
        content_length: 2
        body: ok
        headers:
            X-A:
                - "1"
        status: 200 OK
        code: 200
        duration: 1ms
"""


def shifted(by: int) -> str:
    return (
        re.sub("^", " " * by, STOCK_ENTRY, flags=re.MULTILINE).rstrip(" ")
        if by >= 0
        else "".join(line[-by:] for line in STOCK_ENTRY.splitlines(keepends=True))
    )


LAYOUTS = {
    "stock": f"---\nversion: 2\ninteractions:\n{STOCK_ENTRY}",
    "charm": f"---\nversion: 2\ninteractions:\n{shifted(-4)}",
    "two columns": f"version: 2\ninteractions:\n{shifted(-2)}",
    "eight columns": f"---\nversion: 2\ninteractions:\n{shifted(4)}",
    "no final newline": f"---\nversion: 2\ninteractions:\n{STOCK_ENTRY}".rstrip("\n"),
    "comments": f"# mine\n---\nversion: 2 # two\n\ninteractions: # all\n    # first\n{STOCK_ENTRY}# end\n",
    "keys behind": f"interactions:\n{shifted(-4)}version: 2\nnote: mine\n",
    "document end": f"---\nversion: 2\ninteractions:\n{STOCK_ENTRY}...\n",
    "CRLF": f"---\nversion: 2\ninteractions:\n{STOCK_ENTRY}".replace("\n", "\r\n"),
    "CRLF, no final newline": f"---\nversion: 2\ninteractions:\n{STOCK_ENTRY}".rstrip("\n").replace(
        "\n", "\r\n"
    ),
    "BOM": f"\ufeff---\nversion: 2\ninteractions:\n{STOCK_ENTRY}",
    "empty list": "---\nversion: 2\ninteractions: []\n",
    "empty list, other keys": "version: 2\ninteractions: []\nnote: mine\n",
    "null": "---\nversion: 2\ninteractions:\n",
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dialect", Dialect)
def test_an_existing_file_is_appended_to_in_its_own_layout(
    tmp_path: Path, layout: str, dialect: Dialect
) -> None:
    path = tmp_path / "a.yaml"
    before = LAYOUTS[layout].encode()
    path.write_bytes(before)
    old = cassette.read(path).cassette
    path.chmod(0o640)
    existing = writer(path, dialect)
    assert path.read_bytes() == before
    add(existing, "two", {"three": 3})
    existing.close()
    loaded = cassette.read(path)
    assert not loaded.torn
    assert list(loaded.cassette.interactions[:-2]) == list(old.interactions)
    assert [one.request.body for one in loaded.cassette.interactions[-2:]] == [b"two", b'{"three": 3}']
    assert [one.id for one in loaded.cassette.interactions] == list(range(len(old.interactions) + 2))
    assert loaded.cassette.extra == old.extra
    assert path.stat().st_mode & 0o777 == 0o640
    after = path.read_bytes()
    if old.interactions and layout not in ("keys behind", "document end"):
        assert after.startswith(before)
    columns = set(re.findall(rb"^( *)- id: ", after.replace(b"\r", b""), re.MULTILINE))
    if old.interactions:
        assert len(columns) == 1
    if layout == "stock":
        assert loaded.cassette.interactions[-1].request.host == "api.openai.com"
    if layout == "charm":
        assert loaded.cassette.interactions[-1].request.host == ""


def test_the_thousandth_entry_costs_as_many_bytes_as_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    pwrite = os.pwrite

    def counting(fd: int, data: bytes, offset: int) -> int:
        written.append(len(data))
        return pwrite(fd, data, offset)

    def forbidden(*arguments: object) -> int:
        raise AssertionError(arguments)

    path = tmp_path / "a.yaml"
    new = writer(path)
    monkeypatch.setattr(os, "pwrite", counting)
    monkeypatch.setattr(os, "write", forbidden)
    sizes = []
    for number in range(1000, 2000):
        before = path.stat().st_size if path.exists() else len(govcr.HEAD)
        written.clear()
        add(new, number)
        if number > 1000:
            sizes.append((sum(written), len(written)))
            assert path.stat().st_size == before + sizes[-1][0]
    monkeypatch.undo()
    new.close()
    digits = 2  # more in the thousandth's id
    assert sizes[-1][0] - sizes[0][0] <= digits
    assert {calls for _, calls in sizes} == {1}


def test_appending_reads_nothing_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.yaml"
    write(path, *[interaction(number) for number in range(50)])
    existing = writer(path)
    add(existing, "first")

    def forbidden(*arguments: object, **names: object) -> bytes:
        raise AssertionError((arguments, names))

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    monkeypatch.setattr(Path, "open", forbidden)
    monkeypatch.setattr(os, "pread", forbidden)
    monkeypatch.setattr(os, "read", forbidden)
    add(existing, "second")
    monkeypatch.undo()
    existing.close()
    assert len(bodies(path)) == 52


# --- others meanwhile


def change_in_place(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"# more\n")


def change_to_same_size(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"2", b"3", 1))


def replace_by_a_copy(path: Path) -> None:
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    copy.replace(path)


def truncate(path: Path) -> None:
    os.truncate(path, 10)


@pytest.mark.parametrize("change", [change_in_place, replace_by_a_copy, truncate, Path.unlink])
def test_a_file_that_somebody_else_changed_is_not_written_to(tmp_path: Path, change: object) -> None:
    path = tmp_path / "a.yaml"
    write(path, interaction(1))
    existing = writer(path)
    add(existing, 2)
    assert callable(change)
    change(path)
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(CassetteError, match=r"a\.yaml: interaction 2 could not be written"):
        add(existing, 3)
    existing.close()
    assert (path.read_bytes() if path.exists() else None) == before
    assert litter(tmp_path) == []


@pytest.mark.parametrize("layout", ["stock", "keys behind", "no final newline", "empty list"])
@pytest.mark.parametrize("change", [change_in_place, change_to_same_size, truncate, Path.unlink])
def test_a_change_between_reading_and_the_first_entry_is_not_overwritten(
    tmp_path: Path, layout: str, change: object
) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(LAYOUTS[layout].encode())
    existing = writer(path)
    assert callable(change)
    change(path)
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(CassetteError, match=r"a\.yaml: interaction \d could not be written"):
        add(existing, 2)
    existing.close()
    assert (path.read_bytes() if path.exists() else None) == before
    assert litter(tmp_path) == []


def test_a_file_that_somebody_else_made_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    new = writer(path)
    path.write_bytes(b"mine")
    for _ in range(2):
        with pytest.raises(CassetteError, match="somebody else"):
            add(new, 1)
    new.close()
    assert path.read_bytes() == b"mine"
    assert litter(tmp_path) == []


# --- crashes

APPENDER = """
import sys
from pathlib import Path
from mitmvcr.store import cassette
from mitmvcr.store.writer import Writer
from mitmvcr.formats.govcr import Dialect
from tests.build import interaction
path, size, dialect = Path(sys.argv[1]), int(sys.argv[2]), Dialect(sys.argv[3])
writer = Writer(path, dialect, cassette.read(path) if path.exists() else None)
print("ready", flush=True)
while True:
    number = writer.next_id
    body = f"{number}:" + "line\\n" * size
    writer.append(writer.emit(interaction(body, body, url=f"https://api.openai.com/{number}")))
    print(number, flush=True)
"""


@pytest.mark.parametrize(("size", "dialect"), [(3, "charm"), (200_000, "charm"), (100_000, "stock")])
@pytest.mark.slow
def test_a_process_killed_at_any_moment_loses_at_most_the_exchange_in_flight(
    tmp_path: Path, size: int, dialect: str
) -> None:
    path = tmp_path / "a.yaml"
    chance = random.Random(size)
    for _ in range(4):
        with child(APPENDER, path, str(size), dialect) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0.0, 0.15))
            process.kill()
            said = [int(line) for line in process.stdout.read().splitlines() if line.strip()]
        if not path.exists():
            assert said == []
            continue
        loaded = cassette.read(path)
        whole = loaded.cassette.interactions
        assert len(whole) >= (said[-1] + 1 if said else 0)
        for number, one in enumerate(whole):
            body = f"{number}:" + "line\n" * size
            assert one.request.body.decode() == body
            assert one.response.body.decode() == body
            assert one.id == number
        heal(path, loaded)


DYING = """
import os, signal, sys
from pathlib import Path
from mitmvcr.store import cassette
from mitmvcr.store.writer import Writer
from mitmvcr.formats.govcr import Dialect
from tests.build import interaction
writer = Writer(Path(sys.argv[1]), Dialect.CHARM, None, anew=True)
pwrite = os.pwrite
def die(fd, data, offset):
    pwrite(fd, data[:50], offset)
    os.kill(os.getpid(), signal.SIGKILL)
os.pwrite = die
writer.append(writer.emit(interaction("new")))
"""


def test_a_process_killed_in_its_first_write_leaves_the_old_file_and_nothing_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    write(path, interaction("old"))
    with child(DYING, path):
        pass
    assert bodies(path) == [b"old"]
    writer(path).close()
    assert [one.name for one in tmp_path.iterdir()] == ["a.yaml"]


def heal(path: Path, loaded: cassette.CassetteFile) -> None:
    """Let a writer set a torn end aside, and see that nothing got lost."""
    before = path.read_bytes()
    mended = Writer(path, Dialect.CHARM, loaded)
    mended.close()
    aside = mended.set_aside.read_bytes() if mended.set_aside else b""
    assert aside == loaded.torn
    assert path.read_bytes() + aside == before
    assert not cassette.read(path).torn


def test_every_cut_of_the_last_entry_leaves_the_ones_before_and_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    write(path, interaction({"a": 1}, "data: 1\n\ndata: 2\n\n"), interaction("x", "a\nb\n" * 5))
    whole = path.read_bytes()
    start = whole.index(b"- id: 1\n")
    end = whole.rindex(b"duration: ")
    for cut in [*range(start + 1, end + 11, 7), start + 3, end + 10]:
        path.write_bytes(whole[:cut])
        loaded = cassette.read(path)
        assert [one.request.body for one in loaded.cassette.interactions] == [b'{"a": 1}'], cut
        assert loaded.torn == whole[start:cut], cut
        heal(path, loaded)
    asides = sorted(one.name for one in tmp_path.iterdir() if ".torn" in one.name)
    assert asides[0] == "a.yaml.torn"
    assert asides[1].startswith("a.yaml.torn")
    assert path.read_bytes() == whole[:start]


def test_a_torn_first_entry_leaves_a_cassette_to_append_to(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    write(path, interaction("x", "y"))
    whole = path.read_bytes()
    for cut in range(len(govcr.HEAD) + 1, whole.rindex(b"duration: ") + 11, 9):
        path.write_bytes(whole[:cut])
        loaded = cassette.read(path)
        assert loaded.cassette.interactions == () or list(loaded.cassette.interactions) == []
        assert loaded.torn
        mended = Writer(path, Dialect.CHARM, loaded)
        add(mended, "again")
        mended.close()
        assert bodies(path) == [b"again"]


def test_a_torn_end_is_set_aside_before_the_next_entry_is_appended(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    write(path, interaction(1), interaction(2))
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    mended = writer(path)
    assert mended.set_aside == tmp_path / "a.yaml.torn"
    add(mended, 3)
    mended.close()
    assert bodies(path) == [b"1", b"3"]
    assert mended.set_aside.read_bytes() == whole[whole.index(b"- id: 1\n") : -30]


def test_a_torn_end_is_not_cut_off_a_file_that_somebody_else_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    write(path, interaction(1), interaction(2))
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    loaded = cassette.read(path)
    path.write_bytes(whole)
    with pytest.raises(CassetteError, match="somebody else"):
        Writer(path, Dialect.CHARM, loaded)
    assert [one.name for one in tmp_path.iterdir()] == ["a.yaml"]
    assert path.read_bytes() == whole


FULL = """
import os, resource, signal, sys
from pathlib import Path
from mitmvcr.store import cassette
from mitmvcr.store.writer import Writer
from mitmvcr.errors import CassetteError
from mitmvcr.formats.govcr import Dialect
from tests.build import interaction
path = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = Writer(path, Dialect.CHARM, cassette.read(path) if path.exists() else None)
def add(body):
    writer.append(writer.emit(interaction(body, body)))
if sys.argv[2] == "grown":
    add("first")
size = path.stat().st_size if path.exists() else 0
before = path.read_bytes() if path.exists() else None
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 700, hard))
for _ in range(2):
    try:
        add("too large " * 200)
    except CassetteError as error:
        print(error)
    else:
        sys.exit("written")
    assert (path.read_bytes() if path.exists() else None) == before
    assert [one for one in os.listdir(path.parent) if one.startswith(".")] == [f".{path.name}.lock"]
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
add("last")
writer.close()
"""


@pytest.mark.parametrize("kind", ["new", "grown", "existing", "existing, rewritten"])
def test_a_write_that_fails_half_way_is_cut_back_and_later_ones_work(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.yaml"
    old = []
    if kind.startswith("existing"):
        write(path, interaction("old"))
        old = [b"old"]
    if kind == "existing, rewritten":
        path.write_bytes(path.read_bytes().rstrip(b"\n"))
    with child(FULL, path, kind) as process:
        said = process.communicate()[0].splitlines()
    assert process.returncode == 0
    grown = [b"first"] if kind == "grown" else []
    number = len(old + grown)
    assert len(said) == 2
    for line in said:
        assert line.startswith(
            f"{path}: interaction {number} could not be written: {os.strerror(errno.EFBIG)}"
        )
    assert bodies(path) == [*old, *grown, b"last"]


def test_a_full_disk_costs_the_one_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.yaml"
    new = writer(path)
    add(new, 1)
    before = path.read_bytes()
    pwrite, room = os.pwrite, 100

    def full(fd: int, data: memoryview, offset: int) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = pwrite(fd, data[:room], offset)
        room -= written
        return written

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(CassetteError, match="No space left on device"):
        add(new, 2)
    assert path.read_bytes() == before
    monkeypatch.undo()
    add(new, 3)
    new.close()
    assert bodies(path) == [b"1", b"3"]


def test_short_writes_are_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    new = writer(tmp_path / "a.yaml")
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: pwrite(fd, data[:7], offset))
    add(new, 1, 2)
    monkeypatch.undo()
    new.close()
    assert bodies(tmp_path / "a.yaml") == [b"1", b"2"]


def test_a_folder_that_can_not_be_made_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CassetteError, match=r"can't be recorded to.*vcr_dir"):
        writer(tmp_path / "file" / "sub" / "a.yaml")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_folders_that_were_made_for_nothing_are_gone(tmp_path: Path) -> None:
    with pytest.raises(CassetteError, match="File name too long"):
        writer(tmp_path / "deep" / "er" / ("x" * 255))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(CassetteError, match=r"can't be recorded to.*vcr_dir"):
        writer(tmp_path / "a.yaml")
    tmp_path.chmod(0o700)


READ_ONLY = """
import ctypes, os, sys
from pathlib import Path
libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, MS_RDONLY, MS_REMOUNT, MS_BIND, MS_PRIVATE, MS_REC = 0x20000, 1, 32, 4096, 1 << 18, 16384
def mount(source, target, flags):
    if libc.mount(source, target, None, flags, None):
        sys.exit(77)
if libc.unshare(CLONE_NEWNS):
    sys.exit(77)
folder = os.fsencode(sys.argv[1])
mount(b"none", b"/", MS_PRIVATE | MS_REC)
mount(folder, folder, MS_BIND)
mount(folder, folder, MS_BIND | MS_REMOUNT | MS_RDONLY)
from mitmvcr.store import cassette
from mitmvcr.store.writer import Writer
from mitmvcr.errors import CassetteError
from mitmvcr.formats.govcr import Dialect
path = Path(sys.argv[1]) / sys.argv[2]
loaded = cassette.read(path) if path.exists() else None
try:
    Writer(path, Dialect.CHARM, loaded)
except CassetteError as error:
    print(error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's mount namespaces")
@pytest.mark.parametrize("name", ["a.yaml", "new.yaml", "sub/new.yaml"])
def test_a_read_only_file_system_is_an_error_with_the_remedy(tmp_path: Path, name: str) -> None:
    write(tmp_path / "a.yaml", interaction(1))
    with child(READ_ONLY, tmp_path, name) as process:
        said = process.communicate()[0]
    if process.returncode == 77:
        pytest.skip("only root may mount")
    assert process.returncode == 0
    assert said.count("\n") == 1
    assert "Read-only file system" in said
    assert "vcr_dir" in said


def test_a_read_only_file_is_not_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.yaml"
    write(path, interaction(1))
    before = path.read_bytes()
    existing = writer(path)
    real = os.open

    def refusing(name: str | Path, flags: int, mode: int = 0o777) -> int:
        if Path(name) == path and flags & (os.O_RDWR | os.O_WRONLY):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(name, flags, mode)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(
        CassetteError, match=r"a\.yaml: interaction 1 could not be written: Permission denied"
    ):
        add(existing, 2)
    monkeypatch.undo()
    existing.close()
    assert path.read_bytes() == before


def test_an_interaction_keeps_its_number_in_the_file(tmp_path: Path) -> None:
    new = writer(tmp_path / "a.yaml")
    one = Interaction(interaction(1).request, interaction(1).response, id=77)
    new.append(new.emit(one))
    new.close()
    assert [one.id for one in cassette.read(tmp_path / "a.yaml").cassette.interactions] == [0]
