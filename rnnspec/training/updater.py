"""Updates of the weights of an ensemble; a network that diverges does not affect the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from rnnspec.runs.divergence import Divergence
from rnnspec.runtime.simulation import Simulation
from rnnspec.training.optimizers import WeightOptimizer, state_names


class Updater:
    """Applies the optimiser of a program to a simulation, network by network.

    alive: (K,) bool, the networks that have not diverged.
    """

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.names = [name for name, _ in simulation.named_parameters()]
        self.parameters = list(simulation.parameters())
        self.optimizer = WeightOptimizer(self.parameters, simulation.program.training.optimizer)
        self.alive = torch.ones(simulation.networks, dtype=torch.bool, device=self.parameters[0].device)
        self.diverged: list[Divergence] = []
        self._finite = [parameter.detach().clone() for parameter in self.parameters]
        self._unclipped: Tensor | None = None

    @property
    def gradient_norms(self) -> Tensor:
        """The norm of the gradient of each network in the last update, before clipping: (K,) float64."""
        return _norms(p.grad for p in self.parameters) if self._unclipped is None else self._unclipped

    @property
    def weight_norms(self) -> Tensor:
        """The norm of all raw weights and biases of each network: (K,) float64."""
        return _norms(parameter.detach() for parameter in self.parameters)

    def update(self, loss: Tensor, iteration: int) -> list[Divergence]:
        """Make one update of every network from its loss, (K,), and return the networks that diverged in it.

        A network diverges if its loss, gradient or new weights are not finite.  It keeps its last finite
        weights and is not trained further.
        """
        self.optimizer.zero_grad()
        loss.sum().backward()  # type: ignore[no-untyped-call]
        causes: dict[int, str] = {}
        self._lose(_not_finite(loss.detach()), "its loss was not finite", causes)
        for name, parameter in zip(self.names, self.parameters, strict=True):
            if parameter.grad is not None:
                cause = f"the gradient of its loss for {name} was not finite"
                self._lose(_not_finite(parameter.grad), cause, causes)
        self._silence()
        if self.simulation.program.training.clip is not None:
            self._unclipped = clip_per_network(self.parameters, self.simulation.program.training.clip)
        self.optimizer.step()
        for name, parameter in zip(self.names, self.parameters, strict=True):
            self._lose(_not_finite(parameter.detach()), f"its {name} was not finite after the update", causes)
        self._restore()
        new = [
            Divergence(network=self.simulation.first_network + network, iteration=iteration, cause=cause)
            for network, cause in sorted(causes.items())
        ]
        self.diverged += new
        return new

    def state(self) -> dict[str, Tensor]:
        """Return all that further updates depend on: raw weights, masks, state of the optimiser, `alive`."""
        found = {f"weights/{name}": p.detach() for name, p in zip(self.names, self.parameters, strict=True)}
        for name, parameter in zip(self.names, self.parameters, strict=True):
            for key, value in self.optimizer.state.get(parameter, {}).items():
                found[f"optimizer/{name}/{key}"] = value
        found["alive"] = self.alive
        found |= {f"mask/{name}": mask for name, mask in self.simulation.mask.by_name().items()}
        return {name: value.cpu().contiguous() for name, value in found.items()}

    def restore(self, state: Mapping[str, Tensor], diverged: Iterable[Divergence]) -> None:
        """Restore a state.  Raises ValueError if it does not fit this ensemble and optimiser."""
        masks = {k.removeprefix("mask/"): v for k, v in state.items() if k.startswith("mask/")}
        if differences := self.simulation.mask.differences(masks):
            raise ValueError("; ".join(differences))
        needed = state_names(self.simulation.program.training.optimizer)
        for name, parameter in zip(self.names, self.parameters, strict=True):
            if not _is_like(state.get(f"weights/{name}"), parameter):
                raise ValueError(f"its {name} has another shape or type of number")
            for key in needed:
                like = None if key == "step" else parameter
                if not _is_like(state.get(f"optimizer/{name}/{key}"), like):
                    raise ValueError("it has the state of another optimiser")
        if not _is_like(state.get("alive"), self.alive):
            raise ValueError("it does not say which networks have diverged")
        diverged = list(diverged)
        first = self.simulation.first_network
        for divergence in diverged:
            if not first <= divergence.network < first + self.simulation.networks:
                raise ValueError(f"it says that network {divergence.network} has diverged")
        with torch.no_grad():
            for name, parameter, finite in zip(self.names, self.parameters, self._finite, strict=True):
                parameter.copy_(state[f"weights/{name}"])
                finite.copy_(parameter)
                prefix = f"optimizer/{name}/"
                self.optimizer.state[parameter] = {
                    key: self._placed(state[prefix + key], parameter) for key in needed
                }
        self.alive = state["alive"].to(self.alive.device)
        self.diverged = diverged

    @staticmethod
    def _placed(value: Tensor, parameter: Tensor) -> Tensor:
        """Return a tensor of the optimiser's state where torch stores it: step counters on the CPU."""
        return value.clone() if value.dim() == 0 else value.to(parameter.device)

    def _lose(self, bad: Tensor, cause: str, causes: dict[int, str]) -> None:
        """Mark the bad networks, (K,) bool, as diverged; record the cause for those that were alive."""
        for network in (bad & self.alive).nonzero().flatten().tolist():
            causes[network] = cause
        self.alive &= ~bad

    def _silence(self) -> None:
        """Set the gradient of diverged networks to 0, so that the optimiser's state stays finite."""
        if bool(self.alive.all()):
            return
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.grad = torch.where(_like(self.alive, parameter), parameter.grad, 0.0)

    def _restore(self) -> None:
        """Restore the previous weights of diverged networks and of frozen connections.

        Their gradient is 0, but momentum and weight decay change weights even then.
        """
        lost = not bool(self.alive.all())
        with torch.no_grad():
            for name, parameter, old in zip(self.names, self.parameters, self._finite, strict=True):
                if lost:
                    parameter.copy_(torch.where(_like(self.alive, parameter), parameter, old))
                matrix = self.simulation.structure.matrices.get(name)
                if matrix is not None and matrix.frozen is not None:
                    parameter.copy_(torch.where(matrix.frozen, old, parameter))
                old.copy_(parameter)


def _is_like(given: Tensor | None, like: Tensor | None) -> bool:
    """Whether a tensor has the shape and dtype of another one; like None: those of a step counter."""
    if given is None:
        return False
    if like is None:
        return given.dim() == 0 and given.is_floating_point()
    return (given.shape, given.dtype) == (like.shape, like.dtype)


def clip_per_network(parameters: Iterable[torch.nn.Parameter], limit: float) -> Tensor:
    """Scale the gradient of each network so that its norm over all parameters is at most `limit`.

    Returns the norms before clipping, (K,) float64; in float32, squares of large gradients would overflow.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = _norms(gradients)
    factor = torch.where(norms > limit, limit / norms, 1.0)
    for gradient in gradients:
        gradient.mul_(_like(factor, gradient).to(gradient.dtype))
    return norms


def _norms(tensors: Iterable[Tensor | None]) -> Tensor:
    """Return the norm over all tensors (K, ...) of each network: (K,) float64."""
    squares = [t.double().flatten(1).square().sum(1) for t in tensors if t is not None]
    return torch.stack(squares).sum(0).sqrt()


def _not_finite(tensor: Tensor) -> Tensor:
    """Return which networks have NaN or infinity: (K, ...) to (K,) bool."""
    # A finite sum means that all terms are finite, which is cheap to check and almost always true.
    if bool(torch.isfinite(tensor.sum())):
        return torch.zeros(len(tensor), dtype=torch.bool, device=tensor.device)
    return ~torch.isfinite(tensor).flatten(1).all(1) if tensor.dim() > 1 else ~torch.isfinite(tensor)


def _like(per_network: Tensor, tensor: Tensor) -> Tensor:
    """Reshape (K,) to broadcast with a tensor (K, ...)."""
    return per_network.view(-1, *(1 for _ in tensor.shape[1:]))
