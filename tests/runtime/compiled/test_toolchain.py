"""Which compiler is found, and what good and broken ones lead to."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from runtime.compilers import HAND_OVER, answer, needs_compiler, script, source

from rnnspec.runtime.compiled import toolchain
from rnnspec.runtime.compiled.toolchain import (
    CompilationFailed,
    Compiler,
    NoCompiler,
    compile_library,
    find_compiler,
)


@pytest.fixture(autouse=True)
def no_compiler_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that knows no compiler yet."""
    monkeypatch.delenv("CXX", raising=False)
    toolchain._find.cache_clear()


def only(monkeypatch: pytest.MonkeyPatch, folder: Path, *names: str) -> None:
    """Install these compilers alone, each of which prints its name."""
    folder.mkdir()
    for name in names:
        script(folder / name, f'case "$*" in *--version) echo "{name} 1.0";; *) echo here;; esac')
    monkeypatch.setenv("PATH", str(folder))


@needs_compiler
def test_the_compiler_of_the_system(tmp_path: Path) -> None:
    compiler = find_compiler()
    assert os.path.isabs(compiler.command[0])
    asked = subprocess.run([*compiler.command, "--version"], capture_output=True, text=True, check=True)
    assert compiler.identity.startswith(asked.stdout.splitlines()[0])
    compile_library(compiler, source("__cplusplus == 201703L && __OPTIMIZE__"), tmp_path / "x.so")
    assert answer(tmp_path / "x.so") == 1


@needs_compiler
def test_sums_are_done_as_written(tmp_path: Path) -> None:
    """No product is fused with a sum, no sum is reordered, and NaN is recognised."""
    body = """
    #ifdef __FAST_MATH__
    #error fast
    #endif
    #include <cmath>
    static volatile double a = 1.0 + 0x1p-30, b = 1.0 - 0x1p-30, big = 1e17, one = 1.0, none = NAN;
    extern "C" __attribute__((visibility("default"))) int answer() {
        double x = a, y = b;
        double z = x * y - 1.0, w = (big + one) - big;
        return (z == 0.0) + 2 * (w == 0.0) + 4 * std::isnan(none);
    }
    """
    compile_library(find_compiler(), body, tmp_path / "x.so")
    assert answer(tmp_path / "x.so") == 7


def test_cxx_comes_first_then_the_usual_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, tmp_path / "bin", "c++", "g++", "clang++", "mine")
    monkeypatch.setenv("CXX", "mine -m64")
    assert find_compiler().command == (str(tmp_path / "bin/mine"), "-m64")
    assert find_compiler().identity.startswith("mine 1.0; here; -m64; processor ")
    monkeypatch.delenv("CXX")
    for name in ("c++", "g++", "clang++"):
        assert find_compiler().command == (str(tmp_path / "bin" / name),)
        (tmp_path / "bin" / name).unlink()
        toolchain._find.cache_clear()
    with pytest.raises(NoCompiler):
        find_compiler()


@pytest.mark.parametrize("cxx", ["nowhere", "broken", "silent", "mine 'open", " "])
def test_a_cxx_of_no_use_is_passed_over(cxx: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, tmp_path / "bin", "g++")
    script(tmp_path / "bin/broken", "exit 1")
    script(tmp_path / "bin/silent", "exit 0")
    monkeypatch.setenv("CXX", cxx)
    assert find_compiler().command == (str(tmp_path / "bin/g++"),)


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, tmp_path / "bin")
    script(tmp_path / "bin/g++", "exit 1")
    monkeypatch.setenv("CXX", "icpx")
    with pytest.raises(NoCompiler) as caught:
        find_compiler()
    assert caught.value.reason == (
        "No C++ compiler was found: CXX=icpx is not installed; c++ is not installed; g++ does not print its "
        "version; clang++ is not installed."
    )
    assert caught.value.remedy == (
        "Install one (apt install g++; xcode-select --install on macOS; conda install cxx-compiler; "
        "brew install gcc, which needs CXX), or set CXX to the command of yours."
    )


def test_one_that_hangs_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "ANSWER", 0.2)
    monkeypatch.setenv("CXX", str(script(tmp_path / "slow", "/bin/sleep 60")))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoCompiler, match="slow does not print its version"):
        find_compiler()


def test_the_processor_is_the_same_each_time() -> None:
    seen = set()
    for _ in range(5):
        toolchain.processor.cache_clear()
        seen.add(toolchain.processor())
        time.sleep(0.02)
    assert len(seen) == 1


@needs_compiler
def test_own_flags_win(tmp_path: Path) -> None:
    compile_library(find_compiler(), source("VALUE"), tmp_path / "x.so", ["-DVALUE=3", "-DVALUE=4", "-w"])
    assert answer(tmp_path / "x.so") == 4


@needs_compiler
@pytest.mark.parametrize(
    "refusal", ["error: bad value ('native') for '-march=' switch", "Error: no such instruction: vpdpbusd'"]
)
def test_a_compiler_that_refuses_to_be_native(tmp_path: Path, refusal: str) -> None:
    path = script(
        tmp_path / "old",
        f'for word in "$@"; do [ "$word" = -march=native ] && echo "{refusal}" && exit 1; done',
        HAND_OVER,
    )
    compile_library(Compiler((str(path),), "old"), source(5), tmp_path / "x.so")
    assert answer(tmp_path / "x.so") == 5


def failure(path: Path, text: str = "int x;") -> CompilationFailed:
    """Compile with a script that cannot; the source is kept, and no half library."""
    folder = path.parent / "work"
    folder.mkdir()
    with pytest.raises(CompilationFailed) as caught:
        compile_library(Compiler((str(path),), "it"), text, folder / "kernel.so")
    assert caught.value.source == folder / "kernel.cpp"
    assert caught.value.source.read_text() == text
    assert (
        caught.value.remedy
        == f"If the compiler works otherwise, please report this with {folder}/kernel.cpp."
    )
    return caught.value


def test_a_compiler_that_fails(tmp_path: Path) -> None:
    path = script(
        tmp_path / "bad", 'echo x >> "$0.log"', "seq 100 119", "echo 'oops\t\033[31m' >&2", "exit 3"
    )
    error = failure(path)
    lines = error.reason.splitlines()
    assert lines[0] == "bad could not compile a kernel (exit status 3)."
    assert lines[1:] == [f"  {n}" for n in range(109, 120)] + ["  oops    ?[31m"]
    assert "100\n" in error.output
    # It has not complained about -march=native: there is no second try.
    assert (tmp_path / "bad.log").read_text() == "x\n"


@needs_compiler
def test_a_source_that_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(CompilationFailed) as caught:
        compile_library(find_compiler(), "int answer() { return wrong; }", tmp_path / "kernel.so")
    assert "kernel.cpp:1:" in caught.value.reason
    assert "wrong" in caught.value.reason
    assert not (tmp_path / "kernel.so").exists()


def test_a_compiler_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "PATIENCE", 0.5)
    # What does the work is a child, as in most compilers, and it ends with its driver.
    work = '(until [ -e "$0.released" ]; do sleep 0.05; done; touch "$0.survived") &'
    error = failure(script(tmp_path / "slow", "echo begun", work, "wait"))
    assert error.reason == "slow did not compile a kernel within 0.5 s.\n  begun"
    (tmp_path / "slow.released").touch()
    time.sleep(0.5)
    assert not (tmp_path / "slow.survived").exists()


def test_a_compiler_that_writes_nothing(tmp_path: Path) -> None:
    error = failure(script(tmp_path / "idle", "exit 0"))
    assert error.reason == ("idle reports success, but wrote no shared library. It printed nothing.")


def test_a_compiler_that_is_gone(tmp_path: Path) -> None:
    assert "No such file" in failure(tmp_path / "gone").reason
