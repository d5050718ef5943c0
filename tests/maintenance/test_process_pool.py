"""Work shared out to processes, however these are started: results in order, nothing left behind."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mitmvcr.store import cassette
from tests.build import interaction, write

ROOT = Path(__file__).resolve().parents[2]
SECRET = "sk-" + "proj-" + "Zy9" * 20

RUN = """
import multiprocessing, os, sys
from pathlib import Path
from mitmvcr.maintenance import convert_tree, scrub_tree
from mitmvcr.maintenance.convert import Target
from mitmvcr.scrub import Policy

def main(method, source):
    multiprocessing.set_start_method(method)
    policy = Policy(redact=("forbidden-[0-9]+",))
    jobs, root = convert_tree.plan([source], source.with_name("converted"), "vcrpy")
    for row in convert_tree.run(jobs, convert_tree.ConvertOptions(Target("vcrpy"), policy, root), 2):
        print(Path(row.source).name, row.outcome.value)
    task = scrub_tree.Task(policy, scrub=True, environ={})
    for result in scrub_tree.run(list(scrub_tree.files([source])), task, 2):
        print(result.path.name, result.problem or sum(result.replaced.values()))
    print(len(multiprocessing.active_children()))

if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.slow
def test_all_is_worked_out_however_processes_are_started(tmp_path: Path, method: str) -> None:
    source = tmp_path / "source"
    names = [f"{number:02}.yaml" for number in range(24)]
    for name in names:
        text = f"{SECRET} forbidden-{name[:2]} " + "all is well " * 9000
        write(source / name, interaction({"note": text}))
    script = tmp_path / "run.py"
    script.write_text(RUN)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "addon")}
    done = subprocess.run(
        [sys.executable, "-B", script, method, source],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = [f"{name} {what}" for what in ("done", "2") for name in names]
    assert done.stdout.splitlines() == [*said, "0"]
    for folder in (tmp_path / "converted", source):
        for name in names:
            (one,) = cassette.read(folder / name).cassette.interactions
            assert b"all is well" in one.request.body
            assert SECRET.encode() not in one.request.body
            assert b"forbidden-" not in one.request.body
        assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
