"""The inner loop of a generated module under torch.compile, in blocks of equal length.

torch.compile unrolls the loop over steps, so each number of steps would be a compilation of its own, and with
jitter nearly every segment has another one.  So a segment is cut into blocks of the same number of steps, and
the last block is padded.  alpha is 0 in the steps of the padding: the state rests, and is dropped.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from rnnspec.errors import RequestError

#: The most steps in a block.  The time to compile grows with it, the number of calls falls.
STEPS = 16
BACKEND = "inductor"

#: `chunk` of a generated module, with an alpha for each step.
_SOURCE = """
def block(rate, drive, w_rec_t, alpha):
    states = []
    for now, share in zip(drive.unbind(0), alpha.unbind(0)):
        rate = step(rate, now, w_rec_t, share)
        states.append(rate)
    return states
"""


def compile_blocks(module: ModuleType) -> None:
    """Put the inner loop of a module under torch.compile."""
    module.blocks = Blocks(module)  # type: ignore[attr-defined]


class Blocks:
    """Takes the place of `cuts`, `chunk` and `simulate` of a generated module.

    What is compiled depends on the number of networks and sequences, the dtype, the device, and whether there
    is a gradient.  Each kind is compiled once, at its first use.
    """

    def __init__(self, module: ModuleType) -> None:
        self.compiled: dict[tuple[object, ...], Callable[..., list[Tensor]]] = {}
        self._steps = STEPS
        self._module, self._cuts, self._simulate = module, module.cuts, module.simulate
        module.__dict__.update(cuts=self.cuts, chunk=self.chunk, simulate=self.simulate)

    def simulate(self, weights: dict[str, Tensor], *arguments: Any, **options: Any) -> Any:
        """Simulate one batch, as the function of the module does."""
        if weights["bias"].is_cuda:
            # The blocks of one batch are replayed together: none may overwrite what another has returned.
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        return self._simulate(weights, *arguments, **options)

    def cuts(self, first: int, last: int, longest: int, *landings: Any) -> Iterator[tuple[int, int]]:
        """Split the steps first .. last - 1 into blocks; each landing ends a block, which may be shorter."""
        self._steps = min(longest, STEPS)
        yield from self._cuts(first, last, self._steps, *landings)

    def chunk(self, rate: Tensor, drive: Tensor, w_rec_t: Tensor, alpha: Tensor) -> list[Tensor]:
        """Advance the rates by T steps, at most a block, and return the T new states, (K, B, N) each.

        rate: (K, B, N).  drive: (T, K, B, N).  w_rec_t: (K, N, N).  alpha: (N,) or (T, B, N).
        """
        steps = len(drive)
        padding = max(self._steps - steps, 0)
        # The last drive once more: a state that stays cannot overflow where the true one does not.
        flat = drive.flatten(1)
        drive = torch.cat((flat, flat[-1:].expand(padding, -1))).view(-1, *drive.shape[1:])
        alpha = alpha if alpha.dim() > 1 else alpha.expand(steps, -1)
        alpha = torch.cat((alpha, alpha.new_zeros(padding, *alpha.shape[1:])))
        if not torch.is_grad_enabled():
            rate, drive, w_rec_t = rate.detach(), drive.detach(), w_rec_t.detach()
        elif not rate.requires_grad and (drive.requires_grad or w_rec_t.requires_grad):
            # As all later states of a segment: otherwise its first block would be compiled separately.
            rate = rate.detach().requires_grad_()
        return self._advance(rate, drive, w_rec_t, alpha)[:steps]

    def try_out(self, units: int, dtype: torch.dtype, device: torch.device) -> None:
        """Compile one step and its gradient; RequestError if this machine cannot."""
        try:
            rate, alpha = (torch.zeros(1, 1, units, dtype=dtype, device=device) for _ in range(2))
            w_rec_t = torch.zeros(1, units, units, dtype=dtype, device=device, requires_grad=True)
            (state,) = self._advance(rate, rate[None], w_rec_t, alpha[0])
            torch.autograd.grad(state.sum(), w_rec_t)
        except Exception as error:
            # Whatever compilers and drivers raise.
            cause = getattr(error, "inner_exception", error)
            what = next((line for line in str(cause).splitlines() if line), type(cause).__name__)
            raise RequestError(
                f"torch.compile does not work on the device '{device}': {what.rstrip('.')}.",
                "Install the compiler that torch.compile needs here, or choose the target torch.",
            ) from error

    def _advance(self, rate: Tensor, drive: Tensor, w_rec_t: Tensor, alpha: Tensor) -> list[Tensor]:
        """Advance the rates by a whole block; alpha: (T, N) or (T, B, N)."""
        learns = rate.requires_grad, drive.requires_grad, w_rec_t.requires_grad
        kind = drive.shape, drive.dtype, drive.device, torch.is_grad_enabled(), learns
        if kind in self.compiled:
            return self.compiled[kind](rate, drive, w_rec_t, alpha)
        # A function of its own: torch limits how often one function is compiled.
        exec(_SOURCE, self._module.__dict__)
        compiled: Callable[..., list[Tensor]] = torch.compile(
            self._module.block,
            fullgraph=True,
            dynamic=False,
            backend=BACKEND,
            mode="reduce-overhead" if drive.is_cuda else None,
        )
        with warnings.catch_warnings():
            # torch.compile warns of its own doings.
            warnings.simplefilter("ignore")
            states = compiled(rate, drive, w_rec_t, alpha)
        self.compiled[kind] = compiled
        return states
