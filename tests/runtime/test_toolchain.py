"""The compiler of the system: found, missing, broken, hanging."""

from __future__ import annotations

import ctypes
import shutil
import time
from pathlib import Path

import pytest
import torch

from rnnspec.check.examine import load
from rnnspec.runtime import cpu_kernel, tiles, toolchain
from rnnspec.runtime.errors import RequestError
from rnnspec.runtime.targets import choose
from rnnspec.runtime.toolchain import CompilerError, compile_library, find_compiler, flags

SOURCE = 'extern "C" __attribute__((visibility("default"))) int answer() { return ANSWER; }\n'
SPEC = Path(__file__).parents[2] / "specs" / "go.yaml"


@pytest.fixture(autouse=True)
def _no_memory() -> object:
    """What was found in one test is not there in the next."""
    yield forget()
    forget()


def forget() -> None:
    toolchain._find.cache_clear()
    cpu_kernel.load_kernel.cache_clear()
    tiles.fastest_tile.cache_clear()


def script(folder: Path, text: str, name: str = "c++") -> Path:
    """Write a compiler that says its version and then does what `text` says."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f'#!/bin/sh\ncase "$*" in *--version*) echo "{name} 1.0"; exit 0;; esac\n{text}\n')
    path.chmod(0o700)
    return path


#: Sets $out to what follows -o.
OUT = 'while [ $# -gt 1 ]; do [ "$1" = -o ] && out="$2"; shift; done\n'


def compile_answer(folder: Path, *more: str) -> int:
    """Compile a library with the compiler that is found, load it and call it."""
    source, library = folder / "answer.cpp", folder / "answer.so"
    source.write_text(SOURCE)
    compile_library(find_compiler(), source, library, more)
    return int(ctypes.CDLL(str(library)).answer())


def test_a_compiler_is_found_and_compiles(tmp_path: Path) -> None:
    assert compile_answer(tmp_path, "-DANSWER=42") == 42


def test_flags_of_the_user_come_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNSPEC_CXXFLAGS", "-O1 '-DANSWER=3 + 4'")
    assert flags()[-2:] == ("-O1", "-DANSWER=3 + 4")
    assert compile_answer(tmp_path) == 7


def test_cxx_comes_first_and_may_have_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = shutil.which("c++") or shutil.which("g++")
    named = tmp_path / "my compiler"
    named.write_text(f'#!/bin/sh\nexec {real} "$@"\n')
    named.chmod(0o700)
    monkeypatch.setenv("CXX", f"'{named}' -DANSWER=5")
    assert find_compiler().command == (str(named), "-DANSWER=5")
    assert compile_answer(tmp_path) == 5


def test_a_cxx_that_is_not_there_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = find_compiler()
    monkeypatch.setenv("CXX", "no-such-compiler -x")
    assert find_compiler() == usual


@pytest.mark.parametrize("text", ["'unclosed", "   "])
def test_a_cxx_that_makes_no_sense_is_passed_over(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = find_compiler()
    monkeypatch.setenv("CXX", text)
    assert find_compiler() == usual


@pytest.mark.parametrize("text", ["'", '-O2 "'])
def test_flags_that_make_no_sense_are_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNSPEC_CXXFLAGS", text)
    with pytest.raises(CompilerError) as found:
        flags()
    assert found.value.reason == f"RNNSPEC_CXXFLAGS cannot be read as flags: {text}"


def test_the_identity_is_that_of_version_and_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = script(tmp_path / "a", "exit 1"), script(tmp_path / "b", "exit 1")
    second.write_text(second.read_text().replace("1.0", "2.0"))
    found = []
    for words in (f"{first}", f"{second}"):
        monkeypatch.setenv("CXX", words)
        found.append(find_compiler().identity)
    assert found[0] != found[1]


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(CompilerError) as found:
        find_compiler()
    assert found.value.reason == "There is no C++ compiler: none of c++, g++, clang++ works."
    assert "apt install g++" in found.value.remedy
    assert "CXX" in found.value.remedy


def test_a_compiler_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "c++"
    broken.write_text("#!/nowhere/interpreter\n")
    broken.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(CompilerError) as found:
        find_compiler()
    assert found.value.reason == (
        "There is no C++ compiler: none of c++, g++, clang++ works (c++ is there and does not run)."
    )


def test_the_next_compiler_takes_the_place_of_one_that_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c++").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "c++").chmod(0o700)
    other = script(tmp_path, "exit 0", "clang++")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert find_compiler().command == (str(other),)


def test_a_compiler_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = script(tmp_path, "echo note >&2; echo 'k.cpp:1:2: error: bad luck' >&2; exit 1")
    monkeypatch.setenv("CXX", str(failing))
    with pytest.raises(CompilerError) as found:
        compile_answer(tmp_path)
    assert found.value.reason == f"The compiler {failing} failed: k.cpp:1:2: error: bad luck."
    assert found.value.remedy == (
        "Name another compiler in the environment variable CXX, or ask for the target torch."
    )
    assert found.value.output == "note\nk.cpp:1:2: error: bad luck"


def test_a_compiler_that_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = script(tmp_path, "exit 0")
    monkeypatch.setenv("CXX", str(silent))
    with pytest.raises(CompilerError) as found:
        compile_answer(tmp_path)
    assert found.value.reason == f"The compiler {silent} failed: it said nothing."


def test_a_compiler_that_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", str(script(tmp_path, OUT + 'echo half > "$out"; kill -9 $$')))
    with pytest.raises(CompilerError, match="failed: signal 9"):
        compile_answer(tmp_path)


@pytest.mark.parametrize("what", ["printf garbage", "printf ''", "printf '\\177ELF'"])
def test_a_compiler_that_writes_no_library(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = script(tmp_path, f'{OUT}{what} > "$out"')
    monkeypatch.setenv("CXX", str(broken))
    with pytest.raises(CompilerError) as found:
        compile_answer(tmp_path)
    assert found.value.reason.startswith(f"The compiler {broken} made no library that can be loaded: ")


def test_a_compiler_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "PATIENCE", 1)
    hanging = script(tmp_path, "(sleep 2; touch alive) & wait")
    monkeypatch.setenv("CXX", str(hanging))
    with pytest.raises(CompilerError) as found:
        compile_answer(tmp_path)
    assert found.value.reason == f"The compiler {hanging} did not end within 1 s."
    time.sleep(1.5)
    assert not (tmp_path / "alive").exists()  # what it started has ended with it


def test_a_compiler_that_vanishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = script(tmp_path, "exit 0")
    monkeypatch.setenv("CXX", str(there))
    compiler = find_compiler()
    there.unlink()
    with pytest.raises(CompilerError) as found:
        compile_library(compiler, tmp_path / "x.cpp", tmp_path / "x.so")
    assert found.value.reason == f"The compiler {there} cannot be run: No such file or directory."


# --- what becomes of it in the choice of a target ---------------------------------------------------------


def lacking(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Take the compiler away, or break it, and return what is to be said of it."""
    monkeypatch.setenv("RNNSPEC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CXX", raising=False)
    (tmp_path / "bin").mkdir()
    if kind == "none":
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        return "There is no C++ compiler: none of c++, g++, clang++ works."
    text = {"fails": "echo error: bad luck; exit 1", "garbage": f'{OUT}echo garbage > "$out"'}[kind]
    broken = script(tmp_path / "bin", text)
    monkeypatch.setenv("CXX", str(broken))
    if kind == "fails":
        return f"The compiler {broken} failed: error: bad luck."
    return f"The compiler {broken} made no library that can be loaded:"


@pytest.mark.parametrize("kind", ["none", "fails", "garbage"])
def test_the_target_torch_takes_the_place_of_cpu(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = load(SPEC).program
    said = lacking(kind, tmp_path, monkeypatch)
    for wanted in (None, "cpu"):
        chosen = choose(found, wanted=wanted)
        assert chosen.target == "torch"
        assert chosen.note is not None
        assert chosen.note.startswith(said)
        assert "The target torch takes its place, which is many times slower." in chosen.note
        assert "\n" not in chosen.note


@pytest.mark.parametrize("kind", ["none", "fails", "garbage"])
def test_the_target_cpu_is_refused_where_it_is_insisted_on(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = load(SPEC).program
    said = lacking(kind, tmp_path, monkeypatch)
    with pytest.raises(RequestError) as error:
        choose(found, "cpu")
    assert error.value.reason.startswith(said)


def test_other_targets_need_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = load(SPEC).program
    lacking("none", tmp_path, monkeypatch)
    for target in ("torch", "reference"):
        assert choose(found, target).note is None
        assert choose(found, wanted=target).target == target


def test_the_target_cpu_is_refused_on_another_device() -> None:
    with pytest.raises(RequestError, match="The target cpu is not for the device 'cuda'"):
        choose(load(SPEC).program, "cpu", "cuda")
    assert choose(load(SPEC).program, None, torch.device("cuda")).target == "torch"
