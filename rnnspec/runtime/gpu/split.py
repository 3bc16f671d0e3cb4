"""Several GPUs: the networks of a batch are split over them, and their results are joined.

Networks are independent, and a network has the same bits alone and in any ensemble, so results do not depend
on the number of GPUs.  Weights, optimiser and results stay on the first one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from rnnspec.program.nodes import Program
from rnnspec.runtime.batch import Batch, Outcome, inputs_differ, variable_differs

#: Simulates a batch on the device of the weights; forced reads are the last argument.
Run = Callable[[Mapping[str, Tensor], Batch, Mapping[str, Tensor]], Outcome]


def gpus(device: torch.device) -> tuple[torch.device, ...]:
    """Return the GPUs that a device stands for: `cuda:1` is one, and `cuda` is all that are alike.

    The first is the current one.  GPUs of another name are left out: their kernels would be others, with
    other bits.
    """
    if device.index is not None:
        return (device,)
    first = torch.cuda.current_device()
    name = torch.cuda.get_device_name(first)
    others = [n for n in range(torch.cuda.device_count()) if n != first]
    alike = [n for n in others if torch.cuda.get_device_name(n) == name]
    return tuple(torch.device("cuda", number) for number in (first, *alike))


def shares(networks: int, devices: Sequence[torch.device]) -> Iterator[tuple[torch.device, range]]:
    """Yield the devices, each with its networks; the numbers of networks differ by one at most."""
    count = min(networks, len(devices))
    for number, device in enumerate(devices[:count]):
        yield device, range(networks * number // count, networks * (number + 1) // count)


def part_of(batch: Batch, part: range) -> Batch:
    """Return the batch of some of the networks."""
    return replace(batch, first_network=batch.first_network + part.start)


def run_split(
    run: Run,
    program: Program,
    devices: Sequence[torch.device],
    weights: Mapping[str, Tensor],
    batch: Batch,
    forced_reads: Mapping[str, Tensor],
) -> Outcome:
    """Simulate a batch on several devices; the results are on that of the weights."""

    def moved(given: Mapping[str, Tensor], device: torch.device, part: range) -> dict[str, Tensor]:
        return {
            name: value[part.start : part.stop].to(device, non_blocking=True) for name, value in given.items()
        }

    divided = list(shares(len(weights["w_rec"]), devices))
    # A copy waits for what the device of the weights still has to do: all copies come before its own part.
    parts = [
        (moved(weights, device, part), part_of(batch, part), moved(forced_reads, device, part))
        for device, part in divided
    ]
    return _joined(program, [run(*part) for part in parts], weights["bias"].device)


def _joined(program: Program, outcomes: Sequence[Outcome], device: torch.device) -> Outcome:
    def joined(get: Callable[[Outcome], Tensor], differs: bool = True) -> Tensor:
        """Join what all have; of what networks share, take the first."""
        found = [get(outcome) for outcome in (outcomes if differs else outcomes[:1])]
        return torch.cat([value.to(device, non_blocking=True) for value in found])

    def recorded(name: str, differs: bool = True) -> Tensor | None:
        first = getattr(outcomes[0], name)
        return None if first is None else joined(lambda outcome: getattr(outcome, name), differs)

    first = outcomes[0]
    return Outcome(
        loss=joined(lambda x: x.loss),
        performance=joined(lambda x: x.performance),
        mean_rate=joined(lambda x: x.mean_rate),
        phase_performance={
            phase: joined(lambda x, phase=phase: x.phase_performance[phase])  # type: ignore[misc]
            for phase in first.phase_performance
        },
        trial_performance=joined(lambda x: x.trial_performance),
        variables={
            name: joined(lambda x, name=name: x.variables[name], variable_differs(program, name))  # type: ignore[misc]
            for name in first.variables
        },
        steps=joined(lambda x: x.steps, differs=False),
        rates=recorded("rates"),
        outputs=recorded("outputs"),
        inputs=recorded("inputs", inputs_differ(program)),
    )
