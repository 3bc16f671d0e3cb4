"""The targets: what a program can be lowered to, and which one a machine gets by default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from rnnspec.program.nodes import Program

if TYPE_CHECKING:
    from rnnspec.runtime.batch import Engine

Target = Literal["reference", "torch", "torchscript"]
TARGETS: tuple[Target, ...] = get_args(Target)
DEFAULT: Target = "torch"

#: What each target is, for `rnnspec compile` and `--help`.
SUMMARIES: dict[Target, str] = {
    "reference": "a slow, plain interpreter of the program, the oracle of the tests",
    "torch": "a generated, readable torch module, on any device",
    "torchscript": "the torch module with its inner loop scripted (torch has deprecated TorchScript)",
}


def make_engine(program: Program, target: Target = DEFAULT) -> Engine:
    """Return an engine of a target for a program."""
    # Imported here: a target costs its start-up only where it is used.
    if target == "reference":
        from rnnspec.runtime.reference import Reference

        return Reference(program)
    from rnnspec.runtime.torch_engine import TorchEngine

    return TorchEngine(program, script=target == "torchscript")
