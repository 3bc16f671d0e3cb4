"""What the bits of a compiled kernel depend on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnnspec.files import sha256
from rnnspec.runtime.compiled.toolchain import FLAGS, NATIVE, Compiler, processor


@dataclass(frozen=True)
class KernelOrigin:
    """Two kernels of the same origin give the same results to the last bit.

    source: SHA-256 of the generated source.  compiler: its version, target and arguments.  flags: those of
    all kernels, then those of the user.  processor: a hash of its instructions and of the C library.
    """

    source: str
    compiler: str
    flags: tuple[str, ...]
    processor: str


def kernel_origin(source: str, compiler: Compiler, users_flags: Sequence[str]) -> KernelOrigin:
    """Return the origin of a kernel that is compiled on this machine."""
    return KernelOrigin(
        source=sha256(source.encode()),
        compiler=compiler.identity.removesuffix(f"; {processor()}"),
        flags=(*FLAGS, NATIVE, *users_flags),
        processor=processor().removeprefix("processor "),
    )
