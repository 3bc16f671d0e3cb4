"""Updates of the weights of an ensemble; a network that diverges does not affect the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from rnnspec.runs.divergence import Divergence
from rnnspec.runtime.simulation import Simulation
from rnnspec.training.optimizers import WeightOptimizer, state_names


class Updater:
    """Applies the optimiser of a program to a simulation, network by network.

    An update does not wait for the device: what becomes of a network is noted there until `diverged` is read.

    alive: (K,) bool, the networks that have not diverged.
    """

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.names = [name for name, _ in simulation.named_parameters()]
        self.parameters = list(simulation.parameters())
        self.optimizer = WeightOptimizer(self.parameters, simulation.program.training.optimizer)
        self.alive = torch.ones(simulation.networks, dtype=torch.bool, device=self.parameters[0].device)
        self._finite = [parameter.detach().clone() for parameter in self.parameters]
        self._unclipped: Tensor | None = None
        #: What was not finite, in the order in which it is looked at.
        self._causes = (
            "its loss was not finite",
            *(f"the gradient of its loss for {name} was not finite" for name in self.names),
            *(f"its {name} was not finite after the update" for name in self.names),
        )
        #: Those that diverged before this updater was restored.
        self._earlier: tuple[Divergence, ...] = ()
        #: The iteration in which each network diverged and the number of the cause, -1 if it did not: (K,).
        self._iteration = torch.full_like(self.alive, -1, dtype=torch.int64)
        self._cause = torch.full_like(self.alive, -1, dtype=torch.int64)

    @property
    def diverged(self) -> tuple[Divergence, ...]:
        """The networks that have diverged, the first ones first; reading it waits for the device."""
        iterations, causes = torch.stack((self._iteration, self._cause)).tolist()
        new = [
            Divergence(
                network=self.simulation.first_network + network,
                iteration=iteration,
                cause=self._causes[cause],
            )
            for network, (iteration, cause) in enumerate(zip(iterations, causes, strict=True))
            if cause >= 0
        ]
        return *self._earlier, *sorted(new, key=lambda lost: lost.iteration)

    @property
    def gradient_norms(self) -> Tensor:
        """The norm of the gradient of each network in the last update, before clipping: (K,) float64."""
        return _norms(p.grad for p in self.parameters) if self._unclipped is None else self._unclipped

    @property
    def weight_norms(self) -> Tensor:
        """The norm of all raw weights and biases of each network: (K,) float64."""
        return _norms(parameter.detach() for parameter in self.parameters)

    def update(self, loss: Tensor, iteration: int) -> None:
        """Make one update of every network from its loss, (K,).

        A network diverges if its loss, gradient or new weights are not finite.  It keeps its last finite
        weights and is not trained further.
        """
        self.optimizer.zero_grad()
        loss.sum().backward()  # type: ignore[no-untyped-call]
        before, loss = self.alive, loss.detach()
        # Without a gradient there is nothing that could be infinite.
        gradients = [torch.zeros_like(loss) if p.grad is None else p.grad for p in self.parameters]
        unusable = _not_finite([loss, *gradients])
        self.alive = before & ~unusable.any(0)
        self._silence()
        if self.simulation.program.training.clip is not None:
            self._unclipped = clip_per_network(self.parameters, self.simulation.program.training.clip)
        self.optimizer.step()
        spoilt = _not_finite([parameter.detach() for parameter in self.parameters])
        self.alive = self.alive & ~spoilt.any(0)
        self._restore()
        lost, found = before & ~self.alive, torch.cat((unusable, spoilt)).to(torch.int64)
        # argmax returns the first of equal values.
        self._cause = torch.where(lost, found.argmax(0), self._cause)
        self._iteration = self._iteration.masked_fill(lost, iteration)

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
        diverged = tuple(diverged)
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
                    key: state[prefix + key].to(parameter.device, copy=True) for key in needed
                }
        self.alive = state["alive"].to(self.alive.device)
        self._earlier = diverged
        self._cause.fill_(-1)

    def _silence(self) -> None:
        """Set the gradient of diverged networks to 0, so that the optimiser's state stays finite."""
        lost = ~self.alive
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.grad.masked_fill_(_like(lost, parameter), 0.0)

    @torch.no_grad()
    def _restore(self) -> None:
        """Restore the previous weights of diverged networks and of frozen connections.

        Their gradient is 0, but momentum and weight decay change weights even then.
        """
        matrices = self.simulation.structure.matrices
        for name, parameter, old in zip(self.names, self.parameters, self._finite, strict=True):
            matrix, new = matrices.get(name), parameter.detach()
            if matrix is not None and matrix.frozen is not None:
                new = torch.where(matrix.frozen, old, new)
            torch.where(_like(self.alive, new), new, old, out=old)
            parameter.copy_(old)


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


def _not_finite(tensors: Sequence[Tensor]) -> Tensor:
    """Return in which of the tensors, (K, ...), which networks have NaN or infinity: (tensors, K) bool."""
    # 0 x is 0, or NaN if x is not finite.
    return torch.stack([(0.0 * t[..., None]).flatten(1).sum(1) for t in tensors]).isnan()


def _like(per_network: Tensor, tensor: Tensor) -> Tensor:
    """Reshape (K,) to broadcast with a tensor (K, ...)."""
    return per_network.view(-1, *(1 for _ in tensor.shape[1:]))
