"""`rnnspec schema`: print the JSON Schema of specs."""

from __future__ import annotations

import json


def command() -> None:
    """Print the JSON Schema of specs, for editors.

    With the schema, an editor completes and checks a spec while you type.

    \b
    Example:
      rnnspec schema > specs/rnnspec.schema.json
    and, in the first line of a spec,
      # yaml-language-server: $schema=rnnspec.schema.json
    """
    from rnnspec.spec.schema import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
