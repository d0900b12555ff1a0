"""The sprites of the world come through npm, by package name and version; a stand-in for npm is asked."""

from __future__ import annotations

import io
import os
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from training.drawings import EXAMPLE, NOVEL, TRIAL, all_kinds, taught
from training.fetch_sprites import SOURCES, fetch
from training.world import OBJECTS

NPM = """#!{python}
import shutil, sys
name = sys.argv[2].replace("/", "_")
with open({calls!r}, "a") as calls:
    print(*sys.argv[1:4], file=calls)
if "{fails}":
    sys.exit(7)
shutil.copy("{folder}/" + name, sys.argv[sys.argv.index("--pack-destination") + 1] + "/some.tgz")
"""


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Puts a stand-in for npm on the path; gives a function that tells how it was called."""

    def make(lacking: str = "", fails: str = "") -> Path:
        folder = tmp_path / "registry"
        folder.mkdir()
        for package, pattern in SOURCES.values():
            with tarfile.open(folder / package.replace("/", "_"), "w:gz") as archive:
                for name in [
                    "unwanted",
                    *(kind.codepoint for kind in all_kinds() if kind.codepoint != lacking),
                ]:
                    member = tarfile.TarInfo(pattern.format(name))
                    member.size = len(name)
                    archive.addfile(member, io.BytesIO(name.encode()))
        calls, script = tmp_path / "calls", tmp_path / "npm"
        script.write_text(NPM.format(python=sys.executable, calls=str(calls), folder=folder, fails=fails))
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        return calls

    return make


def test_sprites_are_packed_by_name_and_version_and_only_once(
    npm: Callable[..., Path], tmp_path: Path
) -> None:
    calls = npm()
    for _ in range(2):
        fetch(tmp_path / "sprites")
    asked = [f"pack {package} --ignore-scripts" for package, _ in SOURCES.values()]
    assert calls.read_text().splitlines() == asked
    assert all("://" not in package and "@" in package[1:] for package, _ in SOURCES.values())
    for name, (_, pattern) in SOURCES.items():
        files = {file.name: file.read_text() for file in (tmp_path / "sprites" / name).iterdir()}
        assert files == {Path(pattern.format(kind.codepoint)).name: kind.codepoint for kind in all_kinds()}


def test_what_is_held_out_is_not_learned_from() -> None:
    learned, held_out = {kind.codepoint for kind in taught()}, {kind.codepoint for kind in NOVEL}
    kept = [kind.codepoint for kind in NOVEL + TRIAL + EXAMPLE]
    assert len(learned) > 400
    assert len(set(kept)) == len(kept)
    assert learned.isdisjoint(kept)
    assert learned.isdisjoint(kind.codepoint for kind in OBJECTS)
    assert not {code for code in learned if code[-1] in "37bf"}
    assert not [kind.name for kind in TRIAL + EXAMPLE if kind.codepoint[-1] in "37bf"]
    assert len(held_out) >= 12
    assert {code[-1] for code in held_out} <= {"3", "b"}


def test_a_drawing_that_is_missing_is_named(npm: Callable[..., Path], tmp_path: Path) -> None:
    npm(lacking=OBJECTS[0].codepoint)
    with pytest.raises(SystemExit, match=rf"1.1.0 does not hold .*{OBJECTS[0].codepoint}"):
        fetch(tmp_path / "sprites")
    assert not list((tmp_path / "sprites" / "fluent").iterdir())


def test_a_failing_npm_is_told(npm: Callable[..., Path], tmp_path: Path) -> None:
    npm(fails="yes")
    with pytest.raises(
        SystemExit, match=r"npm could not fetch @lobehub/fluent-emoji-3d@1.1.0 \(exit code 7\)"
    ):
        fetch(tmp_path / "sprites")
