"""rnnspec: recurrent neural networks and their tasks from specifications that people can read.

    import rnnspec

    specification = rnnspec.load("specs/go.yaml", settings=["training.networks=4"])
    simulation = rnnspec.compile(specification)      # a torch.nn.Module with initial weights
    result = rnnspec.train(specification)            # trains, and keeps a run folder
    recording = rnnspec.simulate(result.folder)      # arrays with named axes

A wrong spec raises `SpecError`, which holds all its problems; a request that cannot be met, such as a
folder that is no run, raises `RequestError`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rnnspec.check.examine import Specification, load
    from rnnspec.diagnostics import SpecError
    from rnnspec.runtime.batch import Outcome, Stage
    from rnnspec.runtime.compile import compile
    from rnnspec.runtime.errors import RequestError
    from rnnspec.runtime.simulation import Simulation
    from rnnspec.training.diagnosis import draw_gradients
    from rnnspec.training.evaluate import evaluate
    from rnnspec.training.evaluation import Evaluation
    from rnnspec.training.recording import Recording
    from rnnspec.training.result import Result
    from rnnspec.training.resume import resume
    from rnnspec.training.simulate import simulate
    from rnnspec.training.stored import load_run
    from rnnspec.training.train import train

    __version__: str

# Where each name lives: torch takes seconds to import, and many uses never need it.
_HOMES = {
    "Evaluation": "rnnspec.training.evaluation",
    "Outcome": "rnnspec.runtime.batch",
    "Recording": "rnnspec.training.recording",
    "RequestError": "rnnspec.runtime.errors",
    "Result": "rnnspec.training.result",
    "Simulation": "rnnspec.runtime.simulation",
    "SpecError": "rnnspec.diagnostics",
    "Specification": "rnnspec.check.examine",
    "Stage": "rnnspec.runtime.batch",
    "compile": "rnnspec.runtime.compile",
    "draw_gradients": "rnnspec.training.diagnosis",
    "evaluate": "rnnspec.training.evaluate",
    "load": "rnnspec.check.examine",
    "load_run": "rnnspec.training.stored",
    "resume": "rnnspec.training.resume",
    "simulate": "rnnspec.training.simulate",
    "train": "rnnspec.training.train",
}

__all__ = [
    "Evaluation",
    "Outcome",
    "Recording",
    "RequestError",
    "Result",
    "Simulation",
    "SpecError",
    "Specification",
    "Stage",
    "__version__",
    "compile",
    "draw_gradients",
    "evaluate",
    "load",
    "load_run",
    "resume",
    "simulate",
    "train",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        value: object = import_module("rnnspec.training.version").package_version()
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'rnnspec' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
