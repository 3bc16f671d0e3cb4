"""Kernels are compiled once, are never loaded unverified, and are there whatever becomes of the cache."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from runtime.compilers import ANSWERS, HAND_OVER, answer, needs_compiler, script, source

from rnnspec.errors import RequestError
from rnnspec.files import sha256
from rnnspec.runtime.compiled import cache as kernel_cache
from rnnspec.runtime.compiled import entries
from rnnspec.runtime.compiled.cache import Library, fingerprint, library
from rnnspec.runtime.compiled.toolchain import CompilationFailed, Compiler, NoCompiler, find_compiler

pytestmark = needs_compiler

AGAIN = "every process compiles its kernels again."


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache and a folder for temporary files that are empty, and a process that has no library yet."""
    monkeypatch.setenv("RNNSPEC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(kernel_cache, "_own", {})
    monkeypatch.setattr(kernel_cache, "_folders", {})
    return tmp_path / "cache"


def kernel(value: int = 1) -> Library:
    """Return the library of a source, after making sure that it is that one."""
    made = library(source(value))
    assert answer(made.path) == value
    return made


def mode(path: Path) -> int:
    return path.lstat().st_mode & 0o7777


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_compiled_once(cache: Path, tmp_path: Path) -> None:
    made = kernel()
    assert (made.cached, made.note) == (False, None)
    assert made.path == cache / "kernels" / made.fingerprint / "kernel.so"
    again = kernel()
    assert (again.path, again.cached, again.note) == (made.path, True, None)
    assert names(cache / "kernels") == [made.fingerprint]
    assert names(tmp_path / "temporary") == []


def test_what_an_entry_is(cache: Path) -> None:
    entry = kernel().path.parent
    assert names(entry) == ["kernel.cpp", "kernel.so", "manifest.json"]
    assert (entry / "kernel.cpp").read_text() == source(1)
    manifest = json.loads((entry / "manifest.json").read_text())
    assert manifest["sha256"] == {
        name: sha256((entry / name).read_bytes()) for name in ("kernel.cpp", "kernel.so")
    }
    assert [mode(folder) for folder in (cache, cache / "kernels", entry)] == [0o700] * 3


def test_the_fingerprint_covers_what_matters_and_nothing_else() -> None:
    compiler = Compiler(("/a/c++",), "c++ 1")
    marks = [
        fingerprint("x", (), compiler),
        fingerprint("y", (), compiler),
        fingerprint("x", ("-DA",), compiler),
        fingerprint("x", ("-DA", "-DB"), compiler),
        fingerprint("x", ("-DA -DB",), compiler),
        fingerprint("x", (), Compiler(("/a/c++",), "c++ 2")),
    ]
    assert len(set(marks)) == len(marks)
    assert fingerprint("x", [], Compiler(("/b/c++",), "c++ 1")) == marks[0]


def test_flags_make_other_libraries() -> None:
    text = source("VALUE")
    made = [library(text, [f"-DVALUE={value}"]) for value in (1, 2)]
    assert [answer(one.path) for one in made] == [1, 2]


def test_no_compiler_is_said_as_such(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(NoCompiler):
        library(source(1))


def empty(path: Path) -> None:
    shutil.rmtree(path)
    path.mkdir()


def change(path: Path) -> None:
    """Change one byte in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "library changed": ("kernel.so", change, "its kernel.so was changed"),
    "library cut": ("kernel.so", lambda p: os.truncate(p, 100), "its kernel.so was changed"),
    "library gone": ("kernel.so", Path.unlink, "it has no kernel.so"),
    "source changed": ("kernel.cpp", change, "its kernel.cpp was changed"),
    "manifest gone": ("manifest.json", Path.unlink, "it has no manifest.json"),
    "manifest of zeros": (
        "manifest.json",
        lambda p: p.write_bytes(bytes(200)),
        "its manifest.json cannot be read",
    ),
    "entry empty": ("", empty, "it has no manifest.json"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_built_again(damage: str, cache: Path) -> None:
    # Not loaded before: a library that a process has loaded must not be cut short.
    made = library(source(2))
    entry = made.path.parent
    name, harm, why = DAMAGE[damage]
    harm(entry / name)
    again = kernel(2)
    assert (again.path, again.cached) == (made.path, False)
    start, _, reason = (again.note or "").partition(" was built again: ")
    assert start == f"The cached kernel {entry}"
    assert reason.removesuffix(".") == why
    assert names(entry) == ["kernel.cpp", "kernel.so", "manifest.json"]
    assert names(cache / "kernels") == [entry.name]
    last = kernel(2)
    assert (last.cached, last.note) == (True, None)


def test_a_damaged_entry_that_cannot_be_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    made = library(source(2))
    change(made.path)
    refuse(monkeypatch, "mkdir", errno.EROFS, made.path.parents[1])
    again = kernel(2)
    assert again.path != made.path
    assert (again.note or "").endswith(f"Read-only file system): {AGAIN}")


def refuse(monkeypatch: pytest.MonkeyPatch, function: str, code: int, below: Path) -> None:
    """Let a function of the system fail below a folder, as permissions do for all but root."""
    real = getattr(os, function)

    def fail(path: str | Path, *rest: object, **options: object) -> object:
        if str(path).startswith(str(below)):
            raise OSError(code, os.strerror(code), str(path))
        return real(path, *rest, **options)

    monkeypatch.setattr(os, function, fail)


def full(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Let the disk of the cache be full when what was written there is to be kept."""

    def fail(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)


def on_its_own(cache: Path, why: str) -> None:
    """There is a library all the same, for this process alone, and one line that says why."""
    made = kernel(3)
    assert (made.cached, made.note) == (False, f"The kernel cache is not used ({why}): {AGAIN}")
    assert not made.path.is_relative_to(cache)
    assert mode(made.path.parent) == 0o700
    again = kernel(3)
    assert (again.path, again.cached, again.note) == (made.path, True, made.note)
    kernel_cache._remove_folders()
    assert not made.path.parent.exists()


def test_the_cache_is_a_link(cache: Path, tmp_path: Path) -> None:
    """Caches are often moved to a larger disk."""
    (tmp_path / "elsewhere").mkdir(0o700)
    cache.symlink_to(tmp_path / "elsewhere")
    assert kernel().note is None
    assert names(tmp_path / "elsewhere") == ["kernels"]


def test_the_cache_is_a_file(cache: Path) -> None:
    cache.write_text("no folder")
    on_its_own(cache, f"{cache}: File exists")
    assert cache.read_text() == "no folder"


def test_the_cache_of_another_user(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel(3)
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    on_its_own(cache, f"{cache}: it belongs to another user")


@pytest.mark.parametrize("folder", ["", "kernels"])
def test_others_may_write_to_the_cache(cache: Path, folder: str) -> None:
    kernel(3)
    (cache / folder).chmod(0o777)
    on_its_own(cache, f"{cache / folder}: other users may write to it: chmod go-w")


def test_others_may_read_the_cache(cache: Path) -> None:
    """As after a copy of a home folder."""
    made = kernel()
    (cache / "kernels").chmod(0o755)
    assert (kernel().path, kernel().cached) == (made.path, True)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT])
def test_the_cache_cannot_be_made(cache: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    refuse(monkeypatch, "mkdir", code, cache)
    on_its_own(cache, f"{cache}: {os.strerror(code)}")


def test_a_read_only_cache_still_gives(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = kernel()
    for function in ("mkdir", "rename", "unlink"):
        refuse(monkeypatch, function, errno.EROFS, cache)
    again = kernel()
    assert (again.path, again.cached, again.note) == (made.path, True, None)
    other = kernel(4)
    assert (other.note or "").endswith(f"Read-only file system): {AGAIN}")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_the_disk_of_the_cache_is_full(cache: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    full(monkeypatch, code)
    on_its_own(cache, f"{cache}/kernels: {os.strerror(code)}")
    assert names(cache / "kernels") == []


def test_no_program_may_run_from_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "ST_NOEXEC", 0b1000, raising=False)
    monkeypatch.setattr(os, "statvfs", lambda path: type("Facts", (), {"f_flag": 0b1000}))
    on_its_own(cache, f"{cache}/kernels: no program may be run from there")


def test_no_home(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNSPEC_CACHE", "")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: f"~/.cache/{name}")
    on_its_own(cache, "~/.cache/rnnspec: there is no home folder")


def test_nowhere_to_write_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "mkdir", errno.ENOSPC, tmp_path)
    with pytest.raises(RequestError) as caught:
        library(source(1))
    assert caught.value.reason.endswith("No space left on device.")
    assert caught.value.remedy == "Set TMPDIR to a folder that temporary files can be written to."


def test_a_failure_leaves_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", str(script(tmp_path / "bad", ANSWERS, "echo no; exit 1")))
    with pytest.raises(CompilationFailed, match=r"exit status 1.*\n  no\n") as caught:
        library(source(1))
    kernel_cache._remove_folders()
    assert caught.value.source.read_text() == source(1)
    assert str(caught.value.source) in caught.value.remedy


def test_what_killed_processes_leave(cache: Path, tmp_path: Path) -> None:
    kernel()
    temporary = tmp_path / "temporary"
    old = [cache / "kernels/.temporary-old", temporary / "rnnspec-kernel-old"]
    new = [cache / "kernels/.temporary-new", temporary / "rnnspec-kernel-new", temporary / "other"]
    yesterday = time.time() - 90_000
    for folder in (*old, *new):
        folder.mkdir()
        (folder / "kernel.so").touch()
        if not folder.name.endswith("-new"):
            os.utime(folder, (yesterday, yesterday))
    kernel(2)
    assert not any(folder.exists() for folder in old)
    assert all(folder.exists() for folder in new)


PROCESS = """
import sys, time
from pathlib import Path
from rnnspec.runtime.compiled.cache import library
folder, me, both = Path(sys.argv[1]), sys.argv[2], ["one", "two"]
(folder / me).touch()
while not all((folder / name).exists() for name in both):
    time.sleep(0.005)
made = library(sys.argv[3])
print(made.path, made.cached, made.note)
"""


@pytest.mark.parametrize("damaged", [False, True])
def test_two_processes_at_once(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    """One compiles, and the other waits for it."""
    begun = ['touch "$0.$$.begun"', "sleep 0.4"]
    monkeypatch.setenv("CXX", str(script(tmp_path / "slow", ANSWERS, *begun, HAND_OVER)))
    if damaged:
        change(library(source(7)).path)
    before = len(list(tmp_path.glob("slow.*.begun")))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(tmp_path), name, source(7)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    said = [process.communicate(timeout=600) for process in processes]
    assert [error for _, error in said] == ["", ""]
    paths = {text.split()[0] for text, _ in said}
    assert len(paths) == 1
    assert len(list(tmp_path.glob("slow.*.begun"))) == before + 1
    assert sorted(text.split()[1] for text, _ in said) == ["False", "True"]
    assert names(cache / "kernels") == [Path(paths.pop()).parent.name]
    made = library(source(7))
    assert (made.cached, made.note, answer(made.path)) == (True, None, 7)


def test_a_process_does_not_wait_for_ever(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "PATIENCE", 0.1)
    folder = entries.cache_folder("kernels")
    mark = fingerprint(source(1), (), find_compiler())
    with entries.building(folder, mark):
        assert kernel().cached is False


def test_an_own_folder_goes_with_its_process_alone(cache: Path, tmp_path: Path) -> None:
    cache.write_text("no folder")
    text = f"""
import os, sys
from rnnspec.runtime.compiled.cache import library
made = library({source(1)!r})
if os.fork() == 0:
    sys.exit()
os.wait()
print(made.path, made.path.exists())
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True, env=environment
    )
    path, there = done.stdout.split()
    assert there == "True"
    assert Path(path).is_relative_to(tmp_path / "temporary")
    assert names(tmp_path / "temporary") == []
