"""What holds for all tests."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from precompiled import start_precompiling

# Small tensors gain nothing from threads, and on a machine with other work the threads of one test wait
# for each other, spinning, a hundred times longer than they compute. Read when torch is imported, also by
# the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Processes that tests start are those of users: they buffer what they print, and keep what Python compiles.
# They are on no server, where commands print annotations too.
for _name in ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "GITHUB_ACTIONS", "GITHUB_WORKSPACE"):
    os.environ.pop(_name, None)

# A kernel takes a third of the time to compile, with the same vectors and the same order of sums.
FEWER = "-Og"

# A cache of kernels for this session, shared by the processes of pytest-xdist, which inherit the variables.
if "RNNSPEC_CACHE" not in os.environ:
    cache = os.environ["RNNSPEC_CACHE"] = tempfile.mkdtemp(prefix="rnnspec-tests-")
    atexit.register(shutil.rmtree, cache, ignore_errors=True)
    if "RNNSPEC_CXXFLAGS" not in os.environ:
        os.environ["RNNSPEC_CXXFLAGS"], precompiling = start_precompiling(Path(cache), FEWER)
        if precompiling:
            atexit.register(precompiling.wait)
os.environ.setdefault("RNNSPEC_CXXFLAGS", FEWER)


# A script that starts the tests in the background, or `nohup`, has some signals ignored. The processes that
# tests start would inherit that, and a test of Ctrl-C would wait for ever. A signal with a handler here, if
# only one that does nothing, has its default action there.
for _name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"):
    if signal.getsignal(getattr(signal, _name)) is signal.SIG_IGN:
        signal.signal(getattr(signal, _name), lambda *_: None)


# What passed passes again.  `pytest --hypothesis-profile=explore` looks for examples that nobody has seen.
hypothesis.settings.register_profile("default", derandomize=True)
hypothesis.settings.register_profile("explore", derandomize=False)
hypothesis.settings.load_profile("default")


@pytest.fixture
def loaded_anew() -> Iterator[None]:
    """Modules that no other test has compiled blocks of."""
    from rnnspec.runtime.torch.module import load

    load.cache_clear()
    yield
    load.cache_clear()


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch, loaded_anew: None) -> list[Any]:
    """Short blocks, whose graphs the target compiled traces but does not compile; returns these graphs.

    A graph is traced where it would be compiled, and differentiated in the same way, in a second instead of
    half a minute.
    """
    from torch._dynamo.backends.debugging import aot_eager

    from rnnspec.runtime.torch import blocks

    graphs = []

    def trace(graph: Any, arguments: Any) -> Any:
        graphs.append(graph)
        return aot_eager(graph, arguments)

    monkeypatch.setattr(blocks, "STEPS", 4)
    monkeypatch.setattr(blocks, "BACKEND", trace)
    return graphs


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked slow, unless it is asked for by `-m`."""
    if config.option.markexpr:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in slow]
