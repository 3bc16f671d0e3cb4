"""Every kernel compiles for the GPUs that are supported, and needs no more of them than is written here."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from cli.command import process, rnnspec
from support import SPECS, program

from rnnspec.catalogue import minimal
from rnnspec.check.examine import load
from rnnspec.codegen.gpu.kernel import emit_gpu, gpu_layout
from rnnspec.errors import RequestError
from rnnspec.program.nodes import Program
from rnnspec.runtime.gpu import engine as gpu_engine
from rnnspec.runtime.gpu.nvrtc import find_nvrtc
from rnnspec.runtime.targets import choose_target

#: Compute capability 8.0 (A100), 9.0 (H100, H200) and 10.0 (B200).
ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
#: Bytes of shared memory that a block can have: 163 and 227 kB on these, 99 kB on 8.6, 8.9 and 12.0.
SHARED = 99 << 10
SIMULATING = ("rnnspec_forward", "rnnspec_backward")


def no_nvrtc() -> str | None:
    try:
        find_nvrtc()
    except RequestError as error:
        return error.reason
    return None


pytestmark = pytest.mark.skipif(no_nvrtc() is not None, reason=no_nvrtc() or "")


def check(found: Program, architecture: str) -> None:
    needed = find_nvrtc().compile(emit_gpu(found), architecture).resources
    layout = gpu_layout(found, "float")
    assert set(SIMULATING) < set(needed)
    for name, each in needed.items():
        assert each.registers <= bound_of_registers(name, found, layout.groups), (name, each)
        # Compute capability 10.0 has instructions that need pairs of registers, and the compiler spills some.
        bound = 64 if architecture == "sm_100" else bound_of_spills(name, found.network.units)
        assert each.spill_stores + each.spill_loads <= bound, (name, each)
        assert each.shared + (layout.matrix if name in SIMULATING else 0) <= SHARED, (
            name,
            each,
        )
        assert each.shared <= 48 << 10


def bound_of_registers(name: str, found: Program, groups: int) -> int:
    """A multiprocessor has 65,536 registers; they are given to warps of 32 threads."""
    if name not in SIMULATING:
        return 128  # eight blocks of 64 threads share a multiprocessor
    warps = -(-found.network.units * groups // 32)
    # Two blocks of up to 4 warps share a multiprocessor; a larger block has it for itself.
    return min(255, 65_536 // (32 * warps * (2 if warps <= 4 else 1)))


def bound_of_spills(name: str, units: int) -> int:
    """A spill in the loop over steps is paid some hundred times; elsewhere a few do not matter.

    A block of 1,024 threads can have 64 registers each, and keeps its matrix in global memory anyway.
    """
    return 0 if name in SIMULATING and units < 1000 else 32


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_shipped_task(architecture: str) -> None:
    check(load(SPECS / "delayed_go.yaml").program, architecture)


@pytest.mark.parametrize("units", [20, pytest.param(64, marks=pytest.mark.slow), 150, 1024])
def test_networks_of_all_sizes(units: int) -> None:
    """W_rec in registers, in shared memory, in global memory."""
    populations = f"{{input: {{size: {units // 2}}}, output: {{size: {units - units // 2}}}}}"
    noise = "noise: {kind: ou, scale: 0.3, tau: 60 ms}"
    check(program(f"network: {{populations: {populations}, {noise}}}"), "sm_90")


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("path", sorted(SPECS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_task(path: Path, architecture: str) -> None:
    check(load(path).program, architecture)


def test_compile_writes_a_cubin_without_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    spec = tmp_path / "small.yaml"
    spec.write_text(minimal(), encoding="utf-8")
    answer = rnnspec("compile", spec, "--target", "gpu", "-o", tmp_path / "build", "-v")
    assert answer.code == 0
    said = dict(line.split(maxsplit=1) for line in answer.out.splitlines())
    assert said["target"].startswith("gpu, as requested: CUDA kernels")
    assert said["made"].startswith("for   compute capability ")
    assert "registers a thread" in said["forward"]
    assert said["spills"] == "none" or said["spills"].endswith("bytes, of all kernels")
    assert "--fmad=false" in said["flags"]
    assert (tmp_path / "build" / "kernel.cubin").read_bytes().startswith(b"\x7fELF")
    assert (tmp_path / "build" / "kernel.cu").read_text().startswith("// minimal")
    # Again: from the cache, and over the same files.
    again = process("compile", spec, "--target", "gpu", "-o", tmp_path / "build")
    assert again.code == 0
    assert "found in the cache" in again.out


def test_another_target_takes_the_place_of_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default; whoever insists on it is told why it cannot be had."""
    large = program("network: {populations: {input: {size: 1000}, output: {size: 25}}}")
    chosen = choose_target(large, None, "cuda")
    assert chosen.target == "torch"
    assert chosen.note is not None
    assert chosen.note.startswith("The target gpu simulates at most 1,024 units, and this network has 1,025.")
    with pytest.raises(RequestError, match="at most 1,024 units"):
        choose_target(large, "gpu", "cuda")

    def too_old(cubin: bytes, device: int) -> None:
        raise RequestError("The NVIDIA driver cannot load kernels compiled by NVRTC 13.5.", "Update it.")

    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        patch.setattr(torch.cuda, "current_device", lambda: 0)
        patch.setattr(torch.cuda, "device", lambda device: nullcontext())
        patch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
        patch.setattr(gpu_engine, "load", too_old)
        gpu_engine._load_kernel.cache_clear()
        chosen = choose_target(program(), None, "cuda")
        assert chosen.target == "torch"
        assert str(chosen.note).startswith("The NVIDIA driver cannot load kernels compiled by NVRTC 13.5.")
        patch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
        said = str(choose_target(program(), None, "cuda").note)
        assert said.startswith("The target gpu needs compute capability 8.0 or newer, and this GPU has 7.5.")

    def missing() -> None:
        raise RequestError("The CUDA compiler NVRTC was not found.", "Install it.")

    monkeypatch.setattr(gpu_engine, "find_nvrtc", missing)
    gpu_engine._load_kernel.cache_clear()
    chosen = choose_target(program(), None, "cuda")
    assert chosen.target == "torch"
    assert str(chosen.note).startswith(
        "The CUDA compiler NVRTC was not found. The target torch takes its place"
    )
