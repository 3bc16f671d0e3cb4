"""A training does not wait for its device, except where something has to be known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from training.samples import load_tiny, write_tiny

import rnnspec
from rnnspec.runtime.batch import Batch
from rnnspec.runtime.compiled.engine import KernelEngine
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.targets import Target
from rnnspec.training.events import Diverged, Event, Observer, Started, Updated
from rnnspec.training.interruption import Interruption
from rnnspec.training.loop import Loop
from rnnspec.training.result import Result
from rnnspec.training.updater import Updater

OPTIMIZERS = {
    "adam": "{kind: adam}",
    "adamw": "{kind: adamw, weight_decay: 0.5}",
    "sgd": "{kind: sgd, momentum: 0}",
    "sgd with momentum": "{kind: sgd, momentum: 0.9, weight_decay: 0.1}",
    "rmsprop": "{kind: rmsprop}",
    "rmsprop with momentum": "{kind: rmsprop, momentum: 0.5}",
}
#: Dale's law, masks, frozen connections, clipping.
CONSTRAINTS = (
    "network.populations.input.sign=excitatory",
    "network.populations.output.sign=inhibitory",
    "network.connections.output -> output={density: 0.5}",
    "network.connections.input -> output={trainable: false}",
    "training.clip=0.05",
)

#: Operations whose result the host has to know before it goes on.
WAITING = {
    "_local_scalar_dense",
    "equal",
    "is_nonzero",
    "item",
    "masked_select",
    "nonzero",
    "nonzero_numpy",
    "unique_dim",
    "_unique2",
}
#: The same among the functions that torch does not dispatch for tensors on the CPU.
FETCHING = (Tensor.tolist, Tensor.numpy, Tensor.cpu, Tensor.__array__)


class Operations(TorchDispatchMode):
    """Records the operations that wait for a device."""

    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        masks = name.startswith("index") and any(
            isinstance(x, Tensor) and x.dtype == torch.bool for x in tree_leaves(args[1])
        )
        if name in WAITING or masks:
            self.found.append(name)
        result = func(*args, **(kwargs or {}))
        devices = {x.device.type for x in tree_leaves((args, kwargs, result)) if isinstance(x, Tensor)}
        if len(devices) > 1:
            self.found.append(f"{name} from one device to another")
        return result


class Functions(TorchFunctionMode):
    """Records the functions that fetch numbers."""

    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in FETCHING:
            self.found.append(func.__name__)
        return func(*args, **(kwargs or {}))


@contextmanager
def waits() -> Iterator[list[str]]:
    """Return the list of what waited, or would wait on a GPU."""
    found: list[str] = []
    with Functions(found), Operations(found):
        yield found


def test_waits_are_found() -> None:
    numbers = torch.tensor([1.0, 2.0])
    for wait in (
        lambda: numbers.sum().item(),
        lambda: bool(numbers.any()),
        lambda: float(numbers[0]),
        lambda: numbers[numbers > 1],
        lambda: numbers.nonzero(),
        lambda: torch.equal(numbers, numbers),
        lambda: numbers.tolist(),
        lambda: numbers.cpu(),
        lambda: numbers.to("meta"),
    ):
        with waits() as found:
            wait()
        assert len(found) == 1
    with waits() as found:
        torch.where(numbers > 1, numbers, 0.0).sum()
    assert found == []


def loss_of(weights: Mapping[str, Tensor]) -> Tensor:
    """A loss that is a function of all weights, on any device."""
    return torch.stack([weight.flatten(1).square().sum(1) for weight in weights.values()]).sum(0)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_an_update_needs_no_numbers(tmp_path: Path, kind: str) -> None:
    """Tensors on the device `meta` have none: whoever asks for one gets an error."""
    program = load_tiny(tmp_path, f"training.optimizer={OPTIMIZERS[kind]}", *CONSTRAINTS).program
    simulation = Simulation(program, target="torch", device="meta")
    updater = Updater(simulation)
    # Of sgd, torch has no fused function for this device.
    updater.optimizer.fused &= "sgd" not in kind
    for iteration in range(1, 4):
        with waits() as found:
            updater.update(loss_of(simulation.weights()), iteration)
        assert found == []
    with pytest.raises(NotImplementedError, match="no data"):
        _ = updater.diverged


@pytest.mark.parametrize("target", ["torch", "cpu"])
def test_a_training_waits_only_for_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: Target
) -> None:
    """With sgd: on the CPU, Adam takes its step from a tensor."""
    monkeypatch.setattr("rnnspec.training.loop.LOOK_ON_CPU", 5)
    settings = ("training.iterations=12", "training.evaluate=none", "training.optimizer={kind: sgd}")
    simulation = Simulation(load_tiny(tmp_path, *settings, *CONSTRAINTS).program, target=target)
    # Compiles the kernel.
    simulation(2, purpose="train")
    waited: dict[int, set[str]] = {}

    def after(loop: Loop) -> None:
        if found:
            waited[loop.completed] = set(found)
            found.clear()

    with waits() as found:
        Loop(simulation, lambda event: None).run(Interruption(), after=after)
    looks = {completed for completed, found in waited.items() if "tolist" in found}
    assert looks == {5, 10, 12}
    assert set().union(*waited.values()) == {"tolist"}


def test_the_next_iteration_is_prepared_before_the_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the host waits, a GPU still computes; when it is done, the next timetables lie ready."""
    order: list[str] = []

    def note(owner: type, method: str, name: Callable[..., str]) -> None:
        original = getattr(owner, method)

        def noted(self: Any, *args: Any, **kwargs: Any) -> Any:
            order.append(name(*args, **kwargs))
            return original(self, *args, **kwargs)

        monkeypatch.setattr(owner, method, noted)

    def named(batch: Batch) -> object:
        return batch.iteration if batch.purpose == "train" else batch.purpose

    monkeypatch.setattr("rnnspec.training.loop.LOOK_ON_CPU", 2)
    settings = ("training.iterations=3", "training.evaluate={every: 2, batch: 4}")
    simulation = Simulation(load_tiny(tmp_path, *settings).program, target="cpu")
    note(KernelEngine, "_prepare", lambda batch, *_: f"prepare {named(batch)}")
    note(KernelEngine, "run", lambda weights, batch, **_: f"run {named(batch)}")
    note(Loop, "look", lambda: "look")
    Loop(simulation, lambda event: None).run(Interruption())
    assert order == [
        *("run 0", "prepare 0", "prepare 1"),
        *("run 1", "prepare 2", "look"),
        # What an evaluation needs is made for it, and leaves what was prepared.
        *("run evaluate", "prepare evaluate", "run 2", "look"),
        *("run evaluate", "prepare evaluate"),
    ]


def spoil(*moments: tuple[int, int]) -> tuple[list[Event], Observer]:
    """Return the events of a training, and an observer in which networks are lost after some iterations."""
    events: list[Event] = []

    def observe(event: Event) -> None:
        events.append(event)
        if isinstance(event, Updated) and isinstance(start := events[0], Started):
            for completed, network in moments:
                if event.completed == completed:
                    with torch.no_grad():
                        start.simulation.bias[network] = torch.nan

    return events, observe


@pytest.mark.parametrize(
    ("moments", "every", "diagnose_at"),
    [
        ([(3, 1), (6, 0)], 5, (2, 9, 13)),
        ([(3, 1), (6, 0), (6, 2)], 5, (2, 9)),
        ([(3, 1), (6, 0), (6, 2)], 5, (2,)),
        ([(3, 1), (4, 0), (7, 2)], 0, (2,)),
    ],
    ids=["two of three", "all, before a diagnosis", "all, before an evaluation", "all, before the end"],
)
def test_late_looks_write_the_same(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moments: list[tuple[int, int]],
    every: int,
    diagnose_at: tuple[int, ...],
) -> None:
    write_tiny(tmp_path)
    evaluate = f"{{every: {every}, batch: 4}}" if every else "none"

    def train(look: int) -> tuple[Result, list[tuple[int, int]]]:
        monkeypatch.setattr("rnnspec.training.loop.LOOK_ON_CPU", look)
        events, observe = spoil(*moments)
        result = rnnspec.train(
            tmp_path / "tiny.yaml",
            settings=["training.iterations=14", f"training.evaluate={evaluate}"],
            out=tmp_path / f"look_{look}",
            target="torch",
            observer=observe,
            diagnose_at=diagnose_at,
        )
        told = [lost for event in events if isinstance(event, Diverged) for lost in event.networks]
        assert tuple(told) == result.diverged
        return result, [(lost.network, lost.iteration) for lost in told]

    (soon, first), (late, second) = train(1), train(100)
    assert first == second == [(network, completed + 1) for completed, network in moments]
    assert (soon.status, soon.iterations) == (late.status, late.iterations)
    assert soon.status == ("diverged" if len(moments) == 3 else "finished")
    assert soon.folder is not None
    assert late.folder is not None
    for name in ("metrics.jsonl", "manifest.json", "weights.safetensors", "gradients.jsonl"):
        assert (soon.folder / name).read_bytes() == (late.folder / name).read_bytes(), name
    # A training that is resumed, to make lost weights again, is told of no network again.
    (late.folder / "weights.safetensors").unlink()
    events: list[Event] = []
    again = rnnspec.resume(late.folder, observer=events.append)
    assert (again.status, again.iterations) == (late.status, late.iterations)
    assert not any(isinstance(event, Diverged) for event in events)


def test_a_signal_finds_what_was_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnspec.training.loop.LOOK_ON_CPU", 100)
    program = load_tiny(tmp_path, "training.iterations=90", "training.evaluate=none").program

    def train(*moments: tuple[int, int]) -> tuple[str, int]:
        events, observe = spoil(*moments)
        simulation, interruption = Simulation(program, target="torch"), Interruption()
        events.append(Started(simulation, None, 90))

        def after(loop: Loop) -> None:
            interruption.status = "terminated" if loop.completed == 8 else None

        loop = Loop(simulation, observe)
        return loop.run(interruption, after=after), loop.completed

    assert train((3, 1)) == ("terminated", 8)
    assert train((3, 1), (4, 0), (5, 2)) == ("diverged", 6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_an_update_on_a_gpu(tmp_path: Path, kind: str) -> None:
    program = load_tiny(tmp_path, f"training.optimizer={OPTIMIZERS[kind]}", *CONSTRAINTS).program
    here, there = (Simulation(program, target="torch", device=device) for device in ("cpu", "cuda"))
    updaters = [Updater(here), Updater(there)]
    factors = [torch.ones(3, device=device) for device in ("cpu", "cuda")]
    for iteration in range(1, 5):
        if iteration == 3:
            for factor in factors:
                factor[1] = torch.inf
        for updater, factor in zip(updaters, factors, strict=True):
            torch.cuda.set_sync_debug_mode("error")
            try:
                updater.update(factor * loss_of(updater.simulation.weights()), iteration)
            finally:
                torch.cuda.set_sync_debug_mode("default")
    assert [lost.iteration for lost in updaters[0].diverged] == [3]
    assert updaters[0].diverged == updaters[1].diverged
    for name, value in updaters[1].state().items():
        torch.testing.assert_close(value, updaters[0].state()[name], msg=name)
