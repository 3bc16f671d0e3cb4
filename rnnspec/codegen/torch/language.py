"""Python with torch, as the generated modules write it: the tables, and the names of a spec."""

from __future__ import annotations

import keyword

from rnnspec.codegen.code import Level
from rnnspec.codegen.constants import PYTHON
from rnnspec.codegen.language import Language
from rnnspec.codegen.render import checked

TORCH = Language(
    operators={
        "add": ("+", Level.SUM),
        "sub": ("-", Level.SUM),
        "mul": ("*", Level.PRODUCT),
        "div": ("/", Level.PRODUCT),
        "mod": ("%", Level.PRODUCT),
        "neg": ("-", Level.SIGN),
        "pow": ("**", Level.POWER),
        "lt": ("<", Level.COMPARISON),
        "le": ("<=", Level.COMPARISON),
        "gt": (">", Level.COMPARISON),
        "ge": (">=", Level.COMPARISON),
        "eq": ("==", Level.COMPARISON),
        "ne": ("!=", Level.COMPARISON),
        "and": ("&", Level.BIT_AND),
        "or": ("|", Level.BIT_OR),
        "not": ("~", Level.SIGN),
    },
    functions={
        "where": "where",
        "pick": "pick",
        "min": "minimum",
        "max": "maximum",
        "abs": "torch.abs",
        "sqrt": "torch.sqrt",
        "exp": "torch.exp",
        "log": "torch.log",
        "sin": "torch.sin",
        "cos": "torch.cos",
        "tanh": "torch.tanh",
        "floor": "torch.floor",
        "sign": "torch.sign",
        "ring": "ring",
        "onehot": "onehot",
        "angle": "angle",
        "argmax": "argmax",
        "distance": "distance",
        "atan2": "torch.atan2",
        "uniform": "uniform",
        "normal": "normal",
        "choice": "choice",
        "bernoulli": "bernoulli",
        "integer": "integer",
        "exponential": "exponential",
    },
    defined={
        "angle": (),
        "argmax": (),
        "bernoulli": ("number", "unit"),
        "choice": ("pick", "unit"),
        "constant": (),
        "distance": (),
        "exponential": ("number", "unit"),
        "integer": ("unit",),
        "maximum": ("number",),
        "minimum": ("number",),
        "normal": ("unit",),
        "number": (),
        "onehot": ("number",),
        "pick": ("number", "where"),
        "ring": ("distance", "number"),
        "uniform": ("unit",),
        "unit": (),
        "where": ("number",),
    },
    literals=PYTHON,
    truths=("False", "True"),
)

#: What a module's functions of a task use; a name of the spec that is among them gets an underscore.
OWN_NAMES = {"math", "torch", "trial", "y", "t", "white", "deal", "EVERY_TRIAL", *TORCH.defined}


def identifier(name: str) -> str:
    """Return a name of a spec as an identifier of a module; different names stay different.

    Keywords and names of the module's own get an underscore, and so do names that end in one.
    """
    checked(name)
    taken = keyword.iskeyword(name) or name in OWN_NAMES
    return f"{name}_" if taken or name.endswith("_") else name
