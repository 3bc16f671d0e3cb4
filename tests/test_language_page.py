"""The examples of docs/language.md work, and nothing of the language is missing there.

After a function has changed: `python -m tests.test_language_page --rewrite` renews the table of functions.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rnnspec.catalogue import minimal
from rnnspec.check.examine import examine
from rnnspec.diagnostics import Problems, render_text
from rnnspec.program.distributions import USAGE
from rnnspec.program.functions import CALLABLE, GROUPS
from rnnspec.spec.activations import ACTIVATIONS, ActivationFunction
from rnnspec.spec.schema import json_schema, sweep_schema
from rnnspec.sweeps.plan import examine_sweep
from rnnspec.syntax.compose import compose

PAGE = Path(__file__).parents[1] / "docs" / "language.md"
LANGUAGE = PAGE.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", LANGUAGE, flags=re.DOTALL | re.MULTILINE)


def test_the_first_example_of_the_page_is_the_one_of_the_catalogue() -> None:
    assert EXAMPLES[0] == minimal()


@pytest.mark.parametrize("number", range(1, len(EXAMPLES)))
def test_examples_of_the_page_work(number: int, tmp_path: Path) -> None:
    (tmp_path / "minimal.yaml").write_text(EXAMPLES[0], encoding="utf-8")
    if "\nsweep:" in EXAMPLES[number]:
        (tmp_path / "sweep.yaml").write_text(EXAMPLES[number], encoding="utf-8")
        check_sweep(tmp_path / "sweep.yaml")
        return
    (tmp_path / "overlay.yaml").write_text(EXAMPLES[number], encoding="utf-8")
    problems = Problems()
    document = compose(tmp_path / "minimal.yaml", [tmp_path / "overlay.yaml"], (), problems=problems)
    assert document is None or examine(document, problems) is not None
    assert not problems.found, render_text(problems.sorted())


def check_sweep(path: Path) -> None:
    problems = Problems()
    sweep = examine_sweep(path, (), problems)
    assert not problems.found, render_text(problems.sorted())
    assert sweep is not None
    said = re.findall(r"(\d+) (?:units )?of `(\w+)`", LANGUAGE)
    assert Counter(unit.method for unit in sweep.units) == {name: int(count) for count, name in said}


@pytest.mark.parametrize("function", ACTIVATIONS.values(), ids=lambda function: function.name)
def test_the_page_has_every_activation(function: ActivationFunction) -> None:
    formula = function.formula_with([option.name for option in function.options])
    (row,) = re.findall(rf"^\| `{function.name}` \|.*$", LANGUAGE, flags=re.MULTILINE)
    _, name, written, options, _ = (cell.strip() for cell in re.split(r"(?<!\\)\|", row))
    assert (name, written.replace("\\|", "|")) == (f"`{function.name}`", formula)
    for option in function.options:
        assert f"`{option.name}`: {'above' if option.positive else 'from'} 0" in options
        assert f"{option.default:g} if absent" in options
        assert f" {option.maximum:g}" in options
    assert bool(options) == bool(function.options)


def test_the_page_has_every_key_and_every_function() -> None:
    def keys(schema: dict[str, Any]) -> set[str]:
        """Return the keys of every mapping that a JSON schema describes."""
        parts = [schema, *schema["definitions"].values()]
        return {key for part in parts for key in part.get("properties", {})}

    words = set(re.findall(r"\w+", LANGUAGE))
    assert keys(json_schema()) | keys(sweep_schema()) <= words
    assert set(CALLABLE) <= words
    assert set(USAGE) <= words


#: The table of functions on the page.
TABLE = re.compile(r"^\| function \|.*?\n(?=\n)", flags=re.DOTALL | re.MULTILINE)


def table() -> str:
    """Return the table of functions as the page has it: a line each, below the headings of the groups."""
    rows = ["| function | value | example |", "|---|---|---|"]
    for heading, functions in GROUPS.items():
        if heading:
            what, _, where = heading.partition(" (")
            rows.append(f"| **{what}**{' (' if where else ''}{where} | | |")
        rows += [f"| `{f.usage}` | {f.meaning} | `{f.example}` |" for f in functions.values()]
    return "\n".join(rows) + "\n"


def test_the_page_has_the_table_of_functions() -> None:
    """If this fails, run the command at the top of this file and look at the difference."""
    assert TABLE.findall(LANGUAGE) == [table()]


if __name__ == "__main__" and sys.argv[1:] == ["--rewrite"]:
    PAGE.write_text(TABLE.sub(lambda _: table(), LANGUAGE), encoding="utf-8")
