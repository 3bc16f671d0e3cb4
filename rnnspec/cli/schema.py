"""`rnnspec schema`: print the JSON Schema of specs, or of sweeps."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def command(
    sweep: Annotated[bool, typer.Option("--sweep", help="Print the schema of sweeps.")] = False,
) -> None:
    """Print the JSON Schema of specs, for editors; with --sweep, that of sweeps.

    With the schema, an editor completes and checks a document while you type.

    \b
    Example:
      rnnspec schema > specs/rnnspec.schema.json
    and, in the first line of a spec,
      # yaml-language-server: $schema=rnnspec.schema.json
    For sweeps:
      rnnspec schema --sweep > specs/rnnspec-sweep.schema.json
    """
    from rnnspec.spec.schema import json_schema, sweep_schema

    print(json.dumps(sweep_schema() if sweep else json_schema(), indent=2, ensure_ascii=False))
