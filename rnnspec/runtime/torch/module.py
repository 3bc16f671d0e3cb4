"""The generated torch module, loaded."""

from __future__ import annotations

import hashlib
import linecache
import warnings
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType

import torch

#: What changes a module after it is loaded.
Adapt = Callable[[ModuleType], None]


@lru_cache(maxsize=64)
def load(source: str, adapt: Adapt | None = None) -> ModuleType:
    """Execute a generated module, and adapt it; each source is executed once and then cached."""
    name = f"rnnspec_graph_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
    file = f"<{name}>"
    # Tracebacks and TorchScript read the lines of the source from this cache.
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    module = ModuleType(name)
    module.__file__ = file
    exec(compile(source, file, "exec"), module.__dict__)
    if adapt is not None:
        adapt(module)
    return module


def script_chunk(module: ModuleType) -> None:
    """Compile the inner loop of a module with TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        module.chunk = torch.jit.script(module.chunk)  # type: ignore[attr-defined]
