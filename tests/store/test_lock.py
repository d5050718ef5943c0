"""One writer a cassette: a second one is told who the first is, and a killed one holds nobody up."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mitmvcr.errors import CassetteError
from mitmvcr.store.lock import Lock, check_folder
from tests.build import interaction, write
from tests.store.cassettes import add, bodies, child, litter, writer

HOLDER = """
import sys, time
from pathlib import Path
from mitmvcr.store import cassette
from mitmvcr.store.writer import Writer
from mitmvcr.formats.govcr import Dialect
path = Path(sys.argv[1])
held = Writer(path, Dialect.CHARM, cassette.read(path) if path.exists() else None)
print("held", flush=True)
sys.stdin.read()
held.close()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with child(HOLDER, tmp_path / "a.yaml") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_of_two_writers_is_told_who_the_first_is(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    path = tmp_path / "a.yaml"
    with pytest.raises(CassetteError) as caught:
        writer(path)
    assert f"process {holder.pid} " in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    writer(tmp_path / "b.yaml").close()
    assert holder.stdin is not None
    holder.stdin.close()
    assert holder.wait() == 0
    mine = writer(path)
    add(mine, 1)
    mine.close()
    assert bodies(path) == [b"1"]


def test_the_lock_of_a_killed_process_holds_nobody_up(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    assert litter(tmp_path) == [".a.yaml.lock"]
    mine = writer(tmp_path / "a.yaml")
    with pytest.raises(CassetteError, match=f"process {os.getpid()} "):
        writer(tmp_path / "a.yaml")
    mine.close()
    assert litter(tmp_path) == []


def test_two_names_of_one_file_by_a_link_are_one_cassette_to_writers(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", interaction(1))
    (tmp_path / "b.yaml").symlink_to("a.yaml")
    one = writer(tmp_path / "a.yaml")
    with pytest.raises(CassetteError, match=str(os.getpid())):
        writer(tmp_path / "b.yaml")
    one.close()
    other = writer(tmp_path / "b.yaml", anew=True)
    add(other, 2)
    other.close()
    assert (tmp_path / "b.yaml").is_symlink()
    assert bodies(tmp_path / "a.yaml") == [b"2"]


def test_a_folder_is_tried_without_leaving_anything(tmp_path: Path) -> None:
    check_folder(tmp_path / "deep" / "er" / "a.yaml")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(CassetteError, match=r"can't be recorded to.*vcr_dir"):
        check_folder(tmp_path / "file" / "a.yaml")


# --- many at once

MANY = """
import os, resource, sys
from pathlib import Path
from mitmvcr.model import Interaction
from tests.build import request, response, sessions
root, count = Path(sys.argv[1]), int(sys.argv[2])
os.fsync = lambda fd: None  # it is most of the time, and none of the descriptors
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
table = sessions(root, mode="record")
for body in ("first", "second"):
    for number in range(count):
        exchange = Interaction(request(body), response(body))
        table.get(f"{number % 7}/{number}").record(exchange)
print(len(os.listdir("/proc/self/fd" if os.path.exists("/proc/self/fd") else "/dev/fd")), flush=True)
sys.stdin.read()
table.close_all()
assert not table.failures
"""


@pytest.mark.slow
def test_thousands_of_cassettes_are_recorded_at_once_with_few_descriptors(tmp_path: Path) -> None:
    count = 1250  # with 64 descriptors, as 5,000 with the 256 that macOS allows
    with child(MANY, tmp_path, str(count)) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert int(process.stdout.readline()) < 30
        assert len(list(tmp_path.rglob(".*.lock"))) == count
        for number in (0, 1234, count - 1):
            with pytest.raises(CassetteError, match=f"process {process.pid} "):
                writer(tmp_path / str(number % 7) / f"{number}.yaml")
        process.stdin.close()
        assert process.wait() == 0
    assert list(tmp_path.rglob(".*")) == []
    assert len(list(tmp_path.rglob("*.yaml"))) == count
    assert bodies(tmp_path / "6" / "1245.yaml") == [b"first", b"second"]


HOLDER_OF_THREE = """
import sys
from pathlib import Path
from mitmvcr.store.lock import Lock
locks = [Lock(Path(sys.argv[1], name)) for name in ("a.yaml", "b.yaml", "c.yaml")]
locks.pop(0).release()
print("held", flush=True)
sys.stdin.read()
"""


def test_locks_of_one_process_are_let_go_of_each_by_itself_and_all_with_the_process(tmp_path: Path) -> None:
    with child(HOLDER_OF_THREE, tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        Lock(tmp_path / "a.yaml").release()
        for name in ("b.yaml", "c.yaml"):
            with pytest.raises(CassetteError, match=f"process {process.pid} "):
                Lock(tmp_path / name)
        process.kill()
    assert litter(tmp_path) == [".b.yaml.lock", ".c.yaml.lock"]
    mine = Lock(tmp_path / "b.yaml")
    with child(HOLDER_OF_THREE, tmp_path) as other:  # it is refused b, and ends with a
        assert other.stdout is not None
        assert other.stdout.readline() == ""
    assert other.returncode == 1
    mine.release()
    for name in ("a.yaml", "c.yaml"):
        Lock(tmp_path / name).release()
    assert litter(tmp_path) == []


def test_a_lock_file_that_somebody_replaced_is_no_name_to_lock_by(tmp_path: Path) -> None:
    first = Lock(tmp_path / "a.yaml")
    (tmp_path / ".a.yaml.lock").unlink()
    with child(HOLDER, tmp_path / "a.yaml") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        second = Lock(tmp_path / "b.yaml")
        process.kill()
    with pytest.raises(CassetteError, match=f"process {os.getpid()} "):
        Lock(tmp_path / "b.yaml")
    second.release()
    first.release()


def test_a_lock_file_that_took_the_place_of_one_is_not_removed_with_it(tmp_path: Path) -> None:
    first = Lock(tmp_path / "a.yaml")
    (tmp_path / ".a.yaml.lock").unlink()
    with child(HOLDER, tmp_path / "a.yaml") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        first.release()
        with pytest.raises(CassetteError, match=f"process {process.pid} "):
            Lock(tmp_path / "a.yaml")
        process.kill()


@pytest.mark.parametrize("target", ["nowhere", "file"])
def test_a_link_at_a_lock_file_s_place_is_an_error_and_what_it_leads_to_stays(
    tmp_path: Path, target: str
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / ".a.yaml.lock").symlink_to(target)
    with pytest.raises(CassetteError, match=r"can't be recorded to.*\.a\.yaml\.lock"):
        Lock(tmp_path / "a.yaml")
    assert (tmp_path / "file").read_text() == "mine"


FORKING = """
import os, sys
from pathlib import Path
from mitmvcr.store.lock import Lock
first = Lock(Path(sys.argv[1], "a.yaml"))
child = os.fork()
if not child:
    Lock(Path(sys.argv[1], "b.yaml"))
    os._exit(0)
os.waitpid(child, 0)
print("held", flush=True)
sys.stdin.read()
"""


def test_the_lock_of_a_forked_child_ends_with_it_not_with_its_parent(tmp_path: Path) -> None:
    with child(FORKING, tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        Lock(tmp_path / "b.yaml").release()
        with pytest.raises(CassetteError, match=f"process {process.pid} "):
            Lock(tmp_path / "a.yaml")
        process.kill()


def refusing(*_arguments: object) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def test_without_hard_links_each_lock_is_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", refusing)
    locks = [Lock(tmp_path / name) for name in ("a.yaml", "b.yaml")]
    for name in ("a.yaml", "b.yaml"):
        with pytest.raises(CassetteError, match=f"process {os.getpid()} "):
            Lock(tmp_path / name)
    locks[0].release()
    with pytest.raises(CassetteError, match=f"process {os.getpid()} "):
        Lock(tmp_path / "b.yaml")
    Lock(tmp_path / "a.yaml").release()
    locks[1].release()
    assert litter(tmp_path) == []


RACER = """
import sys
from pathlib import Path
from mitmvcr.errors import CassetteError
from mitmvcr.store.lock import Lock
path, log = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
taken = 0
for number in range(300):
    try:
        locks = [Lock(path.with_name(f"{number % 5}.yaml"))]
    except CassetteError:
        continue
    # Held alone: who has it makes a file that must not be there, and removes it.
    mark = log / f"{number % 5}"
    mark.touch(exist_ok=False)
    mark.unlink()
    taken += 1
    for lock in locks:
        lock.release()
print(taken, flush=True)
"""


def test_processes_that_race_for_locks_never_hold_one_together(tmp_path: Path) -> None:
    (tmp_path / "marks").mkdir()
    with contextlib.ExitStack() as stack:
        racers = [
            stack.enter_context(child(RACER, tmp_path / "cassette", tmp_path / "marks")) for _ in range(4)
        ]
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()
        taken = [int(racer.communicate()[0]) for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 4
    assert sum(taken) > 300
    assert litter(tmp_path) == []
