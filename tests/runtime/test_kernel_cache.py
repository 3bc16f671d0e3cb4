"""The cache of kernels: whatever happens to it, there is a correct library or a clear line."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rnnspec.runtime import kernel_cache, toolchain
from rnnspec.runtime.kernel_cache import LIBRARY, MANIFEST, SOURCE, Library, library
from rnnspec.runtime.toolchain import CompilerError

TEXT = 'extern "C" __attribute__((visibility("default"))) int answer() { return 42; }\n'
ALONE = "this one was compiled for this process alone."


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RNNSPEC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kernels"


def answer(found: Library) -> int:
    return int(ctypes.CDLL(str(found.path)).answer())


def assert_private(found: Library, root: Path, reason: str) -> None:
    """The library works, is not in the cache, and one line says why."""
    assert answer(found) == 42
    assert not found.cached
    assert not found.path.is_relative_to(root)
    assert found.note == f"The cache of kernels cannot be used ({reason}): {ALONE}"


def test_the_second_time_it_is_there(root: Path) -> None:
    first = library(TEXT)
    second = library(TEXT)
    assert (first.cached, first.note) == (False, None)
    assert (second.cached, second.note) == (True, None)
    assert first.path == second.path == root / first.fingerprint / LIBRARY
    assert second.seconds < 0.1
    assert answer(second) == 42
    assert sorted(p.name for p in root.iterdir()) == [first.fingerprint]
    assert root.stat().st_mode & 0o777 == 0o700
    assert (root / first.fingerprint).stat().st_mode & 0o077 == 0


def test_what_it_depends_on(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [library(TEXT, options=o).fingerprint for o in ((), ("-DX",), ("-D", "X"))]
    names += [library(TEXT + "\n").fingerprint, library(TEXT, facts={"a": "b"}).fingerprint]
    monkeypatch.setenv("RNNSPEC_CXXFLAGS", "-O0 -DY")
    names.append(library(TEXT).fingerprint)
    assert len(set(names)) == len(names)


def test_a_compiler_that_fails_is_no_fault_of_the_cache(root: Path) -> None:
    with pytest.raises(CompilerError, match="failed"):
        library("this is no C++")
    assert list(root.iterdir()) == []


# --- a cache that cannot be used --------------------------------------------------------------------------


def test_a_read_only_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(root))

    monkeypatch.setattr(Path, "mkdir", refuse)
    found = library(TEXT)
    assert_private(found, root, f"{root}: Permission denied")


def test_a_folder_that_is_read_only_inside(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = kernel_cache.tempfile.mkdtemp

    def refuse(*, dir: Path | None = None, prefix: str) -> str:
        if dir is not None:
            raise OSError(errno.EROFS, "Read-only file system", str(dir))
        return make(prefix=prefix)

    monkeypatch.setattr(kernel_cache.tempfile, "mkdtemp", refuse)
    assert_private(library(TEXT), root, f"{root}: Read-only file system")


def test_a_disk_that_is_full(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_text

    def refuse(path: Path, *args: str, **more: str) -> int:
        if path.is_relative_to(root):
            raise OSError(errno.ENOSPC, "No space left on device", str(root))
        return write(path, *args, **more)

    monkeypatch.setattr(Path, "write_text", refuse)
    assert_private(library(TEXT), root, f"{root}: No space left on device")
    assert list(root.iterdir()) == []


#: What a compiler says, and what dlopen says on a disk from which nothing may be executed.
SAID = {
    "fatal error: error writing to kernel.s: No space left on device": "No space left on device",
    "failed to map segment from shared object: Operation not permitted": "Operation not permitted",
}


@pytest.mark.parametrize("said", SAID)
def test_a_disk_that_is_no_good_for_the_compiler(
    said: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_ = toolchain.compile_library

    def refuse(compiler: object, source: Path, to: Path, options: object) -> None:
        if to.is_relative_to(root):
            raise CompilerError(f"The compiler failed: {said}.", "", said)
        compile_(compiler, source, to, options)

    monkeypatch.setattr(kernel_cache, "compile_library", refuse)
    assert_private(library(TEXT), root, f"{root}: {SAID[said]}")
    assert list(root.iterdir()) == []


def test_a_disk_that_is_full_when_it_is_published(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, to: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(to))

    monkeypatch.setattr(Path, "rename", refuse)
    found = library(TEXT)
    assert_private(found, root, f"{root / found.fingerprint}: No space left on device")


def test_no_room_anywhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", "/tmp/x")

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(CompilerError, match=r"There is no room for a kernel, .*: No space left on device"):
        library(TEXT)


def test_a_folder_that_belongs_to_someone_else(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library(TEXT)
    monkeypatch.setattr(os, "getuid", lambda: root.stat().st_uid + 1)
    assert_private(library(TEXT), root, f"{root} belongs to another user")


def test_a_folder_that_others_may_write_to(root: Path) -> None:
    library(TEXT)
    root.chmod(0o770)
    assert_private(library(TEXT), root, f"others may write to {root}; 'chmod -R go-w' forbids it")


def test_a_folder_that_is_a_link(root: Path, tmp_path: Path) -> None:
    library(TEXT)
    root.rename(tmp_path / "elsewhere")
    root.symlink_to(tmp_path / "elsewhere")
    assert_private(library(TEXT), root, f"{root} is no plain folder")


@pytest.mark.parametrize("where", ["kernels", "cache"])
def test_a_folder_that_is_a_file(where: str, root: Path) -> None:
    place = root if where == "kernels" else root.parent
    place.parent.mkdir(exist_ok=True)
    place.write_text("")
    found = library(TEXT)
    assert answer(found) == 42
    assert found.note is not None
    assert found.note.startswith(f"The cache of kernels cannot be used ({root}")
    assert place.read_text() == ""


# --- kernels that are not what was built -------------------------------------------------------------------


def changed(name: str, root: Path) -> str:
    """Damage the kernel in some way; return what is to be said about it."""
    folder = next(root.iterdir())
    file = folder / name.split(":")[0]
    if name.endswith(":gone"):
        file.unlink()
    elif name.endswith(":link"):
        file.rename(folder / "other")
        file.symlink_to(folder / "other")
        return f"{file} is no plain file"
    elif name.endswith(":open"):
        file.chmod(0o722)
        return f"others may write to {file}; 'chmod -R go-w' forbids it"
    elif name == MANIFEST:
        told = json.loads(file.read_text())
        told["sha256"][LIBRARY] = "0" * 64
        file.write_text(json.dumps(told))
        return f"{folder / LIBRARY} is not the file that was built"
    elif name.endswith(":garbage"):
        file.write_text("[1")
    elif name.endswith(":list"):
        file.write_text("[]")
    else:
        # Written anew: to write into a library that a process has loaded changes the process.
        content = file.read_bytes()
        file.unlink()
        file.write_bytes(content + b" ")
        return f"{file} is not the file that was built"
    return f"{folder} was not whole"


DAMAGE = (LIBRARY, SOURCE, MANIFEST, f"{MANIFEST}:garbage", f"{MANIFEST}:list")
DAMAGE += tuple(f"{name}:gone" for name in (LIBRARY, SOURCE, MANIFEST))
DAMAGE += (f"{LIBRARY}:link", f"{SOURCE}:open")


@pytest.mark.parametrize("what", DAMAGE)
def test_a_kernel_that_was_tampered_with_is_compiled_anew(what: str, root: Path) -> None:
    library(TEXT)
    reason = changed(what, root)
    found = library(TEXT)
    assert found.note == f"A kernel in the cache was compiled anew: {reason}."
    assert not found.cached
    assert answer(found) == 42
    again = library(TEXT)
    assert (again.cached, again.note) == (True, None)


@pytest.mark.parametrize("kind", ["file", "link", "others"])
def test_something_else_in_its_place(kind: str, root: Path, tmp_path: Path) -> None:
    place = library(TEXT).path.parent
    if kind == "others":
        place.chmod(0o777)
    else:
        place.rename(tmp_path / "kept")
        place.write_text("") if kind == "file" else place.symlink_to(tmp_path / "kept")
    found = library(TEXT)
    assert found.note is not None
    assert found.note.startswith("A kernel in the cache was compiled anew: ")
    assert answer(found) == 42
    assert library(TEXT).cached
    assert kind == "others" or (tmp_path / "kept" / LIBRARY).exists()


# --- several processes, and what they leave ----------------------------------------------------------------

BUILD = """
import ctypes, sys
from rnnspec.runtime.kernel_cache import library
print("ready", flush=True)
sys.stdin.readline()
found = library(sys.argv[1])
assert found.note is None, found.note
print(found.path, ctypes.CDLL(str(found.path)).answer())
"""


def test_processes_that_build_at_once(root: Path) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", BUILD, TEXT]
    processes = [subprocess.Popen(command, **pipes) for _ in range(3)]  # type: ignore[call-overload]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    said = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    found = library(TEXT)
    assert found.cached
    assert said == {f"{found.path} 42\n"}
    assert [p.name for p in root.iterdir()] == [found.fingerprint]


def test_another_process_is_faster(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It publishes the same while this one compiles."""
    compile_ = kernel_cache._compile

    def late(folder: Path, *rest: object) -> None:
        compile_(folder, *rest)
        monkeypatch.setattr(kernel_cache, "_compile", compile_)
        library(TEXT)

    monkeypatch.setattr(kernel_cache, "_compile", late)
    found = library(TEXT)
    assert found.note is None
    assert found.path.is_relative_to(root)
    assert answer(found) == 42
    assert [p.name for p in root.iterdir()] == [found.fingerprint]


def test_abandoned_builds_are_removed(root: Path) -> None:
    root.mkdir(parents=True, mode=0o700)
    old, young, old_file = root / "building-old", root / "building-young", root / "building-file"
    for folder in (old, young):
        folder.mkdir()
        (folder / SOURCE).write_text("")
    old_file.write_text("")
    for path in (old, old_file):
        os.utime(path, (time.time() - 2 * 86400,) * 2)
    library(TEXT)
    assert young.exists()
    assert not old.exists()
    assert not old_file.exists()
