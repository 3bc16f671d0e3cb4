"""Which NVRTC is found, what it compiles, and what it says about kernels. None of this needs a GPU."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from rnnspec.errors import RequestError
from rnnspec.runtime.gpu import nvrtc
from rnnspec.runtime.gpu.nvrtc import Cubin, Nvrtc, Resources, find_nvrtc, package, read_resources

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def compiler() -> Nvrtc:
    try:
        return find_nvrtc()
    except RequestError as error:
        pytest.skip(str(error))


def kernel(value: str) -> str:
    """Return the source of a kernel that writes one number."""
    return f'extern "C" __global__ void run(float* x, float y, float z) {{ x[0] = {value}; }}'


class TestCompile:
    @pytest.mark.parametrize("architecture", ["sm_80", "sm_90", "sm_100"])
    def test_a_kernel_with_static_shared_memory(self, compiler: Nvrtc, architecture: str) -> None:
        if architecture not in compiler.architectures():
            pytest.skip(f"{compiler} lacks {architecture}")
        source = """
        extern "C" __global__ void reversed(float* x) {
            __shared__ float s[100];
            s[threadIdx.x] = x[threadIdx.x];
            __syncthreads();
            x[threadIdx.x] = s[99 - threadIdx.x];
        }
        extern "C" __global__ void nothing() {}
        """
        cubin = compiler.compile(source, architecture)
        assert cubin.code.startswith(b"\x7fELF")
        assert cubin.code == compiler.compile(source, architecture).code
        assert set(cubin.resources) == {"reversed", "nothing"}
        found = cubin.resources["reversed"]
        assert 0 < found.registers < 32
        assert found == Resources(found.registers, 0, 0, 0, 400)
        assert cubin.resources["nothing"].shared == 0

    def test_registers_that_do_not_suffice(self, compiler: Nvrtc) -> None:
        source = """
        extern "C" __global__ void many(float* x, int n) {
            float v[64];
            for (int k = 0; k < 64; k++) v[k] = x[k * 1024 + threadIdx.x];
            for (int r = 0; r < n; r++) {
                #pragma unroll
                for (int k = 0; k < 64; k++) v[k] = v[k] * v[(k * 7 + 3) % 64] + v[(k + 1) % 64];
            }
            for (int k = 0; k < 64; k++) x[k * 1024 + threadIdx.x] = v[k];
        }
        """
        free = compiler.compile(source, "sm_90").resources["many"]
        assert free.registers > 64
        assert (free.stack, free.spill_stores, free.spill_loads) == (0, 0, 0)
        few = compiler.compile(source, "sm_90", ["--maxrregcount=32"]).resources["many"]
        assert few.registers <= 32
        assert min(few.stack, few.spill_stores, few.spill_loads) > 0

    def test_arrays_that_are_indexed_lie_on_the_stack(self, compiler: Nvrtc) -> None:
        source = """
        extern "C" __global__ void run(float* x, int n) {
            float v[50];
            for (int k = 0; k < 50; k++) v[(k * n) % 50] = x[k];
            x[0] = v[n];
        }
        """
        found = compiler.compile(source, "sm_90").resources["run"]
        assert found.stack >= 200
        assert found.spill_stores == 0

    def test_sums_are_done_as_written(self, compiler: Nvrtc) -> None:
        def code(value: str) -> bytes:
            return compiler.compile(kernel(value), "sm_90").code

        rounded_twice = "__fadd_rn(__fmul_rn(x[1], y), z)"
        assert code("x[1] * y + z") == code(rounded_twice) != code("fmaf(x[1], y, z)")

    def test_the_language(self, compiler: Nvrtc) -> None:
        """It is C++17, and a function is one of the GPU without saying so."""
        source = "static_assert(__cplusplus == 201703L);\nfloat twice(float x) { return 2 * x; }\n"
        compiler.compile(source + kernel("twice(y)"), "sm_90")

    def test_a_source_that_is_wrong(self, compiler: Nvrtc) -> None:
        with pytest.raises(RuntimeError) as error:
            compiler.compile(kernel("unknown"), "sm_90", name="mine.cu")
        first, second = str(error.value).splitlines()[:2]
        assert first == f"{compiler} could not compile mine.cu for sm_90 (NVRTC_ERROR_COMPILATION):"
        assert second == 'mine.cu(1): error: identifier "unknown" is undefined'

    def test_an_option_that_is_wrong(self, compiler: Nvrtc) -> None:
        with pytest.raises(RuntimeError, match="unrecognized option --nonsense"):
            compiler.compile(kernel("y"), "sm_90", ["--nonsense"])

    @pytest.mark.parametrize(
        ("architecture", "remedy"),
        [("sm_20", "older CUDA"), ("sm_999", "--upgrade nvidia-cuda-nvrtc"), ("nonsense", "--upgrade")],
    )
    def test_an_architecture_that_is_not_supported(
        self, compiler: Nvrtc, architecture: str, remedy: str
    ) -> None:
        with pytest.raises(RequestError) as error:
            compiler.compile(kernel("y"), architecture)
        assert error.value.reason.startswith(f"{compiler} does not compile for {architecture}; it supports ")
        assert ", ".join(compiler.architectures()) in error.value.reason
        assert remedy in error.value.remedy

    def test_an_architecture_with_what_only_it_has(self, compiler: Nvrtc) -> None:
        cubin: Cubin = compiler.compile(kernel("y"), "sm_90a")
        assert set(cubin.resources) == {"run"}


class TestBuiltins:
    SCRIPT = f"""
import sys; from pathlib import Path
from rnnspec.errors import RequestError
from rnnspec.runtime.gpu.nvrtc import find_nvrtc
sys.path[:] = sys.argv[1:]
compiler = find_nvrtc()
maps = Path("/proc/self/maps")
print(maps.exists() and "nvrtc-builtins" in maps.read_text())
try: print(len(compiler.compile({kernel("y")!r}, "sm_90").resources))
except RequestError as error: print(error)
"""

    def lines(self, site: Path) -> list[str]:
        command = [sys.executable, "-c", self.SCRIPT, str(site)]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout.splitlines()

    @pytest.fixture
    def site(self, compiler: Nvrtc, tmp_path: Path) -> Path:
        """A folder of sys.path where NVRTC lacks its builtins."""
        original = Path(compiler.path)
        if not original.is_absolute() or sys.platform != "linux":
            pytest.skip("NVRTC is not in a folder of its own")
        folder = tmp_path / "nvidia" / "cuda_nvrtc" / "lib"
        folder.mkdir(parents=True)
        (folder / original.name).symlink_to(original)
        return tmp_path

    def test_they_are_loaded(self, compiler: Nvrtc, site: Path) -> None:
        name = "libnvrtc-builtins.so.{}.{}".format(*compiler.version)
        (site / "nvidia/cuda_nvrtc/lib" / name).symlink_to(Path(compiler.path).with_name(name))
        assert self.lines(site) == ["True", "1"]

    def test_they_are_missing(self, compiler: Nvrtc, site: Path) -> None:
        loaded, reason, remedy = self.lines(site)
        assert loaded == "False"
        assert reason.startswith(f"{compiler} is not installed completely ({site}")
        assert "libnvrtc-builtins" in reason
        assert remedy == f"Install it again: pip install --force-reinstall {package(compiler.version)}."


class TestFind:
    @pytest.fixture
    def bare(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The only folder where Python finds packages; the system has no NVRTC."""
        site = tmp_path / "site"
        site.mkdir()
        monkeypatch.setattr(sys, "path", [str(tmp_path / "empty"), str(site)])
        monkeypatch.setattr(nvrtc, "_LOADED", ())
        monkeypatch.setattr(nvrtc, "find_library", lambda name: None)
        for name in ("CUDA_HOME", "CUDA_PATH"):
            monkeypatch.delenv(name, raising=False)
        nvrtc._find.cache_clear()
        return site

    @pytest.fixture
    def site(self, bare: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The same, and every file loads."""
        monkeypatch.setattr(nvrtc, "_open", lambda path: Nvrtc(path, (0, 0), ctypes.CDLL(None)))
        return bare

    def install(self, *paths: Path) -> None:
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        nvrtc._find.cache_clear()

    def torch(self, site: Path, cuda: str) -> None:
        self.install(site / "torch/version.py")
        text = f"__version__ = '2.13.0'\ncuda: Optional[str] = {cuda}\nhip: Optional[str] = '6.4'\n"
        (site / "torch/version.py").write_text(text, encoding="utf-8")

    def test_the_newest_unless_torch_is_for_another(self, site: Path) -> None:
        old, new = site / "nvidia/cuda_nvrtc/lib/libnvrtc.so.12", site / "nvidia/cu13/lib/libnvrtc.so.13"
        self.install(old, new)
        assert find_nvrtc().path == str(new)
        for cuda, found in {"None": new, "'12.8'": old, "'13.0'": new, "'11.8'": new}.items():
            self.torch(site, cuda)
            assert find_nvrtc().path == str(found)

    @pytest.mark.parametrize(
        ("name", "major"),
        [
            ("libnvrtc.so.11.2", 11),
            ("libnvrtc.so.12", 12),
            ("libnvrtc.so.12.4.127", 12),
            ("nvrtc64_112_0.dll", 11),
            ("nvrtc64_130_0.dll", 13),
            ("libnvrtc.alt.so.13", None),
            ("nvrtc64_120_0.alt.dll", None),
            ("libnvrtc-builtins.so.13.5", None),
            ("libnvrtc-builtins.alt.so.13.5", None),
            ("nvrtc-builtins64_128.dll", None),
            ("libnvrtc_static.a", None),
        ],
    )
    def test_names(self, name: str, major: int | None) -> None:
        assert nvrtc._major(Path("/lib", name)) == major

    @pytest.mark.parametrize(
        "path", ["nvidia/cuda_nvrtc/bin", "nvidia/cu13/bin/x86_64", "torch/lib", "nvidia/cu13/lib"]
    )
    def test_folders_of_packages(self, site: Path, path: str) -> None:
        self.install(site / path / "nvrtc64_130_0.dll", site / path / "nvrtc-builtins64_135.dll")
        assert find_nvrtc().path == str(site / path / "nvrtc64_130_0.dll")

    def test_packages_come_before_a_toolkit(
        self, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home = tmp_path / "cuda"
        monkeypatch.setenv("CUDA_HOME", str(home))
        toolkit, wheel = home / "lib64/libnvrtc.so.13", site / "nvidia/cuda_nvrtc/lib/libnvrtc.so.12"
        self.install(toolkit)
        assert find_nvrtc().path == str(toolkit)
        self.install(wheel)
        assert find_nvrtc().path == str(wheel)
        self.torch(site, "'13.0'")
        nvrtc._find.cache_clear()
        assert find_nvrtc().path == str(toolkit)

    def test_the_system_comes_last(self, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(nvrtc, "find_library", lambda name: f"lib{name}.so.14")
        assert find_nvrtc().path == "libnvrtc.so.14"
        monkeypatch.setattr(nvrtc, "_LOADED", ("libnvrtc.so.13", "libnvrtc.so.12"))
        self.torch(site, "'12.8'")
        assert find_nvrtc().path == "libnvrtc.so.12"
        self.install(site / "nvidia/cu13/lib/libnvrtc.so.13")
        assert find_nvrtc().path == str(site / "nvidia/cu13/lib/libnvrtc.so.13")

    def test_none(self, bare: Path) -> None:
        with pytest.raises(RequestError) as error:
            find_nvrtc()
        assert error.value.reason == "The CUDA compiler NVRTC was not found."
        assert "pip install nvidia-cuda-nvrtc " in error.value.remedy

    def test_a_file_that_is_broken(self, bare: Path) -> None:
        path = bare / "nvidia/cu13/lib/libnvrtc.so.13"
        self.install(path)
        with pytest.raises(RequestError) as error:
            find_nvrtc()
        assert error.value.reason.startswith(f"The CUDA compiler NVRTC cannot be loaded: {path}: ")


def test_the_package_of_a_version() -> None:
    assert package((12, 8)) == "nvidia-cuda-nvrtc-cu12"
    assert package((13, 0)) == package((14, 1)) == "nvidia-cuda-nvrtc"


def test_logs_of_older_versions() -> None:
    """What functions that are not inlined need stands after or before that of the kernels."""
    log = """
ptxas info    : 40 bytes gmem, 256 bytes cmem[3], 8 bytes cmem[4]
ptxas info    : Compiling entry function '_ZN1a4run1E1P' for 'sm_80'
ptxas info    : Function properties for _Z6helperfi
    7 bytes stack frame, 7 bytes spill stores, 7 bytes spill loads
ptxas info    : Function properties for _ZN1a4run1E1P
    288 bytes stack frame, 536 bytes spill stores, 548 bytes spill loads
ptxas info    : Used 32 registers, 1024 bytes smem, 488 bytes cmem[0]
ptxas info    : Compiling entry function 'other' for 'sm_80'
ptxas info    : Function properties for other
ptxas         .     16 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 30 registers, used 0 barriers, 160 bytes cumulative stack size, 488 bytes cmem[0]
ptxas info    : Function properties for _Z6helperfi
ptxas         .     8 bytes stack frame, 8 bytes spill stores, 8 bytes spill loads
"""
    assert read_resources(log) == {
        "_ZN1a4run1E1P": Resources(32, 288, 536, 548, 1024),
        "other": Resources(30, 160, 0, 0, 0),
    }
    with pytest.raises(RuntimeError, match="does not say what other needs"):
        read_resources(log.replace("30 registers", "some registers"))
