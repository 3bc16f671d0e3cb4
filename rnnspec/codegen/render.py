"""Rendering: where templates are found, and how names and texts of a spec may enter a source.

A template gets identifiers, numbers and layouts that are finished; it computes nothing.  What comes from a
spec reaches a source as a checked name (`checked`, `quoted`), as a number (`constants.literal`), or as words
of a docstring that cannot end it (`free_text`).
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rnnspec.codegen.code import WIDTH

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)


def render(template: str, context: Mapping[str, object]) -> str:
    """Render a template, named by its path below the folder of templates."""
    return _environment().get_template(template).render(context)


def quoted(name: str) -> str:
    """Return a name of a spec as a string literal."""
    return f'"{checked(name)}"'


def checked(name: str) -> str:
    """Return a name of a spec as it is, after making sure that it is nothing but a name."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name")
    return name


def free_text(text: str, limit: int = 400) -> str:
    """Return a text of a spec as it may stand in a docstring: printable, without quotes and backslashes."""
    harmless = "".join(c if c.isprintable() and c not in "\"'`\\" else " " for c in text[: 4 * limit])
    words = " ".join(harmless.split())
    return words if len(words) <= limit else words[: limit - 3] + "..."


def fill(text: str, indent: int) -> str:
    """Return a text as lines of the usual width; all but the first are indented."""
    margin = " " * indent
    # The first line follows something of that width already.
    return textwrap.fill(margin + text, WIDTH, subsequent_indent=margin, break_on_hyphens=False)[indent:]


def comment(text: str) -> str:
    """Return a text as lines of a comment."""
    return textwrap.fill(text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


@cache
def _environment() -> Environment:
    # No autoescape: what is rendered is source text, and nothing unchecked is handed to a template.
    environment = Environment(
        loader=FileSystemLoader(template_folder()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters |= {"fill": fill, "comment": comment}
    return environment


def template_folder() -> Path:
    """Return the folder of templates: inside the package if installed, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    places = (package / "templates", package.parent / "templates")
    for place in places:
        if (place / "torch" / "graph.py.j2").is_file():
            return place
    raise FileNotFoundError(f"no templates in {' or '.join(map(str, places))}")
