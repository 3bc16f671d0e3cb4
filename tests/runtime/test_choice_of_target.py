"""Which target simulates: the best that there is, the one asked for, or none."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from support import SPECS

from rnnspec.check.examine import load
from rnnspec.errors import RequestError
from rnnspec.program.nodes import Program
from rnnspec.runtime.compiled.cache import Library
from rnnspec.runtime.cpu import kernel as cpu_kernel
from rnnspec.runtime.targets import choose_target

_numbers = itertools.count(1)


def new_program() -> Program:
    """A program whose kernel nobody has compiled or loaded yet."""
    return load(SPECS / "go.yaml", settings=[f"network.noise.scale=0.{next(_numbers)}17"]).program


LACKING = {"none": "No C++ compiler was found", "fails": "could not", "idle": "wrote no shared library"}


@pytest.fixture(params=LACKING)
def said(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A machine whose compiler is missing or broken; returns what is said of it."""
    kind = request.param
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    if kind != "none":
        compiler = tmp_path / "c++"
        action = "echo 'error: bad luck' >&2; exit 1" if kind == "fails" else "exit 0"
        version = '[ "$1" = --version ] && { echo "c++ 1.0"; exit 0; }'
        compiler.write_text(f"#!/bin/sh\n{version}\n{action}\n")
        compiler.chmod(0o755)
    return LACKING[kind]


def test_torch_takes_the_place_of_cpu(said: str) -> None:
    for wanted in (None, "cpu"):
        chosen = choose_target(new_program(), preferred=wanted)
        assert chosen.target == "torch"
        assert chosen.note is not None
        assert said in chosen.note
        assert "The target torch takes its place, which is many times slower." in chosen.note
        assert "\n" not in chosen.note


def test_cpu_is_refused_where_it_is_insisted_on(said: str) -> None:
    with pytest.raises(RequestError) as error:
        choose_target(new_program(), "cpu")
    assert said in error.value.reason
    assert error.value.remedy


def test_other_targets_need_no_compiler(said: str) -> None:
    found = new_program()
    for target in ("torch", "reference"):
        assert choose_target(found, target).note is None
        assert choose_target(found, preferred=target).target == target


def test_cpu_is_refused_on_another_device() -> None:
    with pytest.raises(RequestError, match="The target cpu is not for the device 'cuda'"):
        choose_target(new_program(), "cpu", "cuda")
    assert choose_target(new_program(), "torch", torch.device("cuda")).target == "torch"


def test_a_kernel_that_cannot_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rubbish = tmp_path / "kernel.so"
    rubbish.write_bytes(b"\x7fELF and no more")
    built = Library(rubbish, "0" * 64, True, 0.0, None)
    monkeypatch.setattr(cpu_kernel, "library", lambda *_, **__: built)
    with pytest.raises(RequestError, match="The compiled kernel cannot be loaded") as error:
        choose_target(new_program(), "cpu")
    assert "CXX" in error.value.remedy
    assert choose_target(new_program()).target == "torch"


def test_flags_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNSPEC_CXXFLAGS", "-DNAME='open")
    with pytest.raises(RequestError, match="RNNSPEC_CXXFLAGS cannot be read as flags: no closing quotation"):
        choose_target(new_program(), "cpu")
