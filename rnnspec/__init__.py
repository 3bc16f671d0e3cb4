"""rnnspec: recurrent neural networks and their tasks from specifications that people can read.

    import rnnspec

    specification = rnnspec.load("specs/go.yaml", settings=["training.networks=4"])
    simulation = rnnspec.compile(specification)      # a torch.nn.Module with initial weights
    result = rnnspec.train(specification)            # trains, and writes a run folder
    recording = rnnspec.simulate(result.folder)      # arrays with named axes

A wrong spec raises `SpecError`, which holds all its problems; a request that cannot be met, such as a
folder that is no run, raises `RequestError`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rnnspec.analysis.evaluate import evaluate
    from rnnspec.analysis.evaluation import Evaluation
    from rnnspec.analysis.gradients import plot_gradients
    from rnnspec.analysis.guess import guess
    from rnnspec.analysis.guessing.levels import Guessing
    from rnnspec.analysis.recording import Recording
    from rnnspec.analysis.simulate import simulate
    from rnnspec.check.examine import Specification, load
    from rnnspec.diagnostics import SpecError
    from rnnspec.errors import RequestError
    from rnnspec.runs.lock import RunInUseError
    from rnnspec.runs.reader import load_run
    from rnnspec.runtime.batch import Outcome, Stage
    from rnnspec.runtime.compile import compile
    from rnnspec.runtime.simulation import Simulation
    from rnnspec.sweeps.results import SweepResults
    from rnnspec.sweeps.sweep import sweep, sweep_results
    from rnnspec.training.result import Result
    from rnnspec.training.resume import extend, resume
    from rnnspec.training.train import train

    __version__: str

# Where each name lives: torch takes seconds to import, and many uses never need it.
_HOMES = {
    "Evaluation": "rnnspec.analysis.evaluation",
    "Guessing": "rnnspec.analysis.guessing.levels",
    "Outcome": "rnnspec.runtime.batch",
    "Recording": "rnnspec.analysis.recording",
    "RequestError": "rnnspec.errors",
    "Result": "rnnspec.training.result",
    "RunInUseError": "rnnspec.runs.lock",
    "Simulation": "rnnspec.runtime.simulation",
    "SpecError": "rnnspec.diagnostics",
    "Specification": "rnnspec.check.examine",
    "Stage": "rnnspec.runtime.batch",
    "SweepResults": "rnnspec.sweeps.results",
    "compile": "rnnspec.runtime.compile",
    "plot_gradients": "rnnspec.analysis.gradients",
    "evaluate": "rnnspec.analysis.evaluate",
    "extend": "rnnspec.training.resume",
    "guess": "rnnspec.analysis.guess",
    "load": "rnnspec.check.examine",
    "load_run": "rnnspec.runs.reader",
    "resume": "rnnspec.training.resume",
    "simulate": "rnnspec.analysis.simulate",
    "sweep": "rnnspec.sweeps.sweep",
    "sweep_results": "rnnspec.sweeps.sweep",
    "train": "rnnspec.training.train",
}

__all__ = [
    "Evaluation",
    "Guessing",
    "Outcome",
    "Recording",
    "RequestError",
    "Result",
    "RunInUseError",
    "Simulation",
    "SpecError",
    "Specification",
    "Stage",
    "SweepResults",
    "__version__",
    "compile",
    "evaluate",
    "extend",
    "guess",
    "load",
    "load_run",
    "plot_gradients",
    "resume",
    "simulate",
    "sweep",
    "sweep_results",
    "train",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        value: object = import_module("rnnspec.runs.version").package_version()
    elif name in _HOMES:
        try:
            value = getattr(import_module(_HOMES[name]), name)
        except ModuleNotFoundError as error:
            if missing := import_module("rnnspec.errors").missing_package(error):
                error.add_note(f"{missing.reason} {missing.remedy}")
            raise
    else:
        raise AttributeError(f"module 'rnnspec' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
