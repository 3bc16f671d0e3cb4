"""The JSON schema: draft 7, a description for every key, and no quarrel with what the models accept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
import yaml
from jsonschema import Draft7Validator
from pydantic import BaseModel, Field
from spec.documents import EVERYTHING, MINIMAL, SPECS

from rnnspec.spec.schema import _Writer, json_schema, sweep_schema

SCHEMA = json_schema()
VALIDATOR = Draft7Validator(SCHEMA)
SWEEPS = sweep_schema()
OF_SWEEPS = Draft7Validator(SWEEPS)


def read(text: str) -> Any:
    """Read YAML, with the floats of YAML 1.2, which PyYAML takes for texts."""
    return _floats(yaml.safe_load(text))


def _floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_floats(item) for item in value]
    return float(value) if isinstance(value, str) and re.fullmatch(r"\d+e-?\d+", value) else value


def accepts(text: str) -> bool:
    return bool(VALIDATOR.is_valid(read(text)))


def test_it_is_a_schema_of_draft_7() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert SCHEMA["title"] == "rnnspec specification, version 1"
    text = repr(SCHEMA)
    assert "$defs" not in text
    assert "prefixItems" not in text


def test_every_key_is_described() -> None:
    for schema in (SCHEMA, SWEEPS):
        assert [path for path, found in properties(schema) if not found.get("description")] == []


def properties(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        for key, value in schema.get("properties", {}).items():
            yield f"{path}.{key}", value
        for key, value in schema.items():
            if key != "if":
                yield from properties(value, f"{path}.{key}")
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from properties(item, f"{path}[{index}]")


@pytest.mark.parametrize("text", [MINIMAL, EVERYTHING])
def test_it_accepts_complete_documents(text: str) -> None:
    assert list(VALIDATOR.iter_errors(read(text))) == []


@pytest.mark.parametrize("path", sorted(SPECS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_it_accepts_the_files_as_they_are_written(path: Any) -> None:
    document = read(path.read_text(encoding="utf-8"))
    validators = (OF_SWEEPS, VALIDATOR) if "sweep" in document else (VALIDATOR, OF_SWEEPS)
    assert [list(v.iter_errors(document)) == [] for v in validators] == [True, False]


def test_the_one_of_sweeps_is_a_schema_of_draft_7() -> None:
    Draft7Validator.check_schema(SWEEPS)
    assert SWEEPS["title"] == "rnnspec sweep, version 1"
    # Only proposals for words beside a list are written so.
    assert repr(SWEEPS).count("anyOf") == repr(SWEEPS).count("'anyOf': [{'type': 'object'}, {'not':") == 1


@pytest.mark.parametrize(
    "section",
    [
        "",
        "methods: {control: [], CD10: {with: [cd10, x/y.yaml], set: {coarsening.increments: 1}}}",
        "settings: {training.seed: [0, 1], a.b: {for: CD10, values: [1, x, null, {kind: adam}]}}",
        "settings: {a.b: {for: [CD10, go-2], values: [[1]]}}",
        "set: {training.stop: null, training: {networks: 3}}",
        "table: {rows: training.seed, value: above, best: most, criterion: 0.99}",
    ],
)
def test_it_accepts_sweeps(section: str) -> None:
    assert list(OF_SWEEPS.iter_errors(read(f"rnnspec: 1\nsweep: s\nspecs: [go.yaml]\n{section}"))) == []


@pytest.mark.parametrize(
    ("section", "path", "validator"),
    [
        ("sweeep: x", "", "additionalProperties"),
        ("extends: x.yaml", "", "additionalProperties"),
        ("specs: []", "specs", "minItems"),
        ("specs: go.yaml", "specs", "type"),
        ("specs:", "specs", "type"),
        ("methods: {}", "methods", "minProperties"),
        ("methods: {a-b: []}", "methods", "pattern"),
        ("methods: {CD10: cd10}", "methods.CD10", "type"),
        ("methods: {CD10: }", "methods.CD10", "type"),
        ("methods: {CD10: {overlays: [cd10]}}", "methods.CD10", "additionalProperties"),
        ("settings: {training.seed: 3}", "settings.training.seed", "type"),
        ("settings: {training.seed: []}", "settings.training.seed", "minItems"),
        ("settings: {training.seed: {for: CD10}}", "settings.training.seed", "required"),
        ("settings: {training.seed: {for: 3, values: [1]}}", "settings.training.seed.for", "type"),
        ("set: [training.networks=3]", "set", "type"),
        ("table: {value: accuracy}", "table.value", "enum"),
        ("table: {best: lowest}", "table.best", "enum"),
        ("table: {criterion: 99}", "table.criterion", "maximum"),
    ],
)
def test_a_mistake_in_a_sweep_is_one_error_at_its_place(section: str, path: str, validator: str) -> None:
    document = {"rnnspec": 1, "sweep": "s", "specs": ["go.yaml"], **read(section)}
    (error,) = OF_SWEEPS.iter_errors(document)
    assert (".".join(map(str, error.absolute_path)), error.validator, error.context) == (path, validator, [])


@pytest.mark.parametrize(
    "section",
    [
        "extends: base/cognitive.yaml",
        "task: {epochs: {delay: {after: stimulus, duration: 1 s}}}",
        "task: {epochs: {delay: {before: response}, context: null}}",
        "task: {target: null, correct: none, draw: {x: null}}",
        "training: {stop: null, optimizer: null, evaluate: none, penalty: {rate_l1: null}}",
        "network: {activation: null, noise: none, inputs: {x: {to: [a, b]}, y: {to: a}}}",
        "network: {noise: {scale: 0.2}}",
        "network: {connections: {a->b: none, a -> c: {self: false}}}",
        "skips: {edges: {regular: null}, beta: {over: 1e3 iterations}}",
    ],
)
def test_it_accepts_overlays(section: str) -> None:
    assert accepts("rnnspec: 1\n" + section)


@pytest.mark.parametrize(
    "section",
    [
        "netwrk: {}",
        "network: {dt: 5}",
        "network: {dt: 5 sec}",
        "network: {activation: rellu}",
        "network: {noise: {kind: pink}}",
        "network: {populations: {2nd: {size: 4}}}",
        "network: {populations: {a: {size: 0}}}",
        "network: {connections: {a - b: none}}",
        "task: {epochs: {a: {duration: 500}}}",
        "task: {epochs: {a: {target: [1]}}}",
        "task: {draw: {x: [1]}}",
        "skips: {beta: 0.5}",
        "skips: {edges: {a: {to: trial}}}",
        "coarsening: {over: 50}",
        "training: {optimizer: {kind: adam, momentum: 0.9}}",
        "training: {optimizer: {kind: adan}}",
        "training: {optimizer: {betas: [0.9]}}",
    ],
)
def test_it_refuses_what_is_wrong_as_one_types_it(section: str) -> None:
    assert not accepts("rnnspec: 1\n" + section)


@pytest.mark.parametrize(
    ("section", "path", "validator"),
    [
        ("network: {dt: 5}", "network.dt", "type"),
        ("network: {dt: 5 sec}", "network.dt", "pattern"),
        ("network: {activation: rellu}", "network.activation", "enum"),
        ("network: {activation: 3}", "network.activation", "type"),
        (
            "network: {activation: {kind: power, exponent: 0}}",
            "network.activation.exponent",
            "exclusiveMinimum",
        ),
        ("network: {activation: {kind: tanh, slope: 1}}", "network.activation", "additionalProperties"),
        ("network: {noise: {kind: pink, scale: 1}}", "network.noise.kind", "enum"),
        ("network: {noise: {kind: white, tau: 5 ms}}", "network.noise", "additionalProperties"),
        ("network: {noise: {scael: 1}}", "network.noise", "additionalProperties"),
        ("network: {connections: {a -> b: nothing}}", "network.connections.a -> b", "enum"),
        ("network: {connections: {a -> b: {self: 1}}}", "network.connections.a -> b.self", "type"),
        ("network: {inputs: {x: {to: [a, 2b]}}}", "network.inputs.x.to.1", "pattern"),
        ("network: {weights: {w_rec: 0.1}}", "network.weights.w_rec", "type"),
        ("network: {weights: {w_rec: normal(0; 1)}}", "network.weights.w_rec", "pattern"),
        ("task: {draw: {x: a = 1}}", "task.draw.x", "pattern"),
        ("task: {draw: {x: 'a[1]'}}", "task.draw.x", "pattern"),
        ("task: {sequence: {x: [a, '#']}}", "task.sequence.x.1", "pattern"),
        ("task: {sequence: {x: {balanced: 3}}}", "task.sequence.x.balanced", "type"),
        ("task: {epochs: {a: {duration: 500}}}", "task.epochs.a.duration", "type"),
        ("task: {epochs: {a: {duration: 500 msec}}}", "task.epochs.a.duration", "pattern"),
        ("task: {epochs: {a: {duration: '500'}}}", "task.epochs.a.duration", "pattern"),
        ("task: {epochs: {a: {input: nothing}}}", "task.epochs.a.input", "enum"),
        ("skips: {edges: {a: {to: trial.end + 5}}}", "skips.edges.a.to", "pattern"),
        ("skips: {edges: {a: {kind: scct}}}", "skips.edges.a.kind", "enum"),
        ("training: {optimizer: {kind: adam, momentum: 0.9}}", "training.optimizer", "additionalProperties"),
        ("training: {optimizer: adam}", "training.optimizer", "type"),
        ("training: {evaluate: never}", "training.evaluate", "enum"),
    ],
)
def test_a_mistake_is_one_error_at_its_place(section: str, path: str, validator: str) -> None:
    """No alternatives hide it, whatever validator reads the schema."""
    (error,) = VALIDATOR.iter_errors(read("rnnspec: 1\n" + section))
    assert (".".join(map(str, error.absolute_path)), error.validator, error.context) == (path, validator, [])


@pytest.mark.parametrize(
    "text",
    [
        "500 ms",
        " 1e3 us",
        "wait",
        "300 ms + wait",
        "2*wait",
        "(1 + 2) * 1 s",
        "-wait",
        "where(a >= b, 1 s, 2 s)",
    ],
)
def test_durations_are_accepted(text: str) -> None:
    assert accepts(f"rnnspec: 1\ntask: {{epochs: {{a: {{duration: '{text}'}}}}}}")


def test_patterns_take_no_time_on_long_strings() -> None:
    """A pattern that can match a string in many ways would take for ever to see that it does not fit."""
    for key in ("draw: {x: ", "epochs: {a: {duration: "):
        for part in ("a", "<", "= ", "1", " ", "("):
            assert not accepts(f"rnnspec: 1\ntask: {{{key}'{part * 2000}#'{'}' * (key.count('{') + 1)}")


def test_what_the_words_mean_is_said_for_each() -> None:
    kinds = SCHEMA["definitions"]["Training"]["properties"]["optimizer"]["properties"]["kind"]
    assert kinds["enum"] == ["adam", "adamw", "sgd", "rmsprop", None]
    assert kinds["enumDescriptions"][2] == "Gradient descent."
    silent = [
        schema["enum"]
        for schema in everywhere(SCHEMA)
        if len(schema.get("enum", ())) > 2 and len(schema.get("enumDescriptions", ())) != len(schema["enum"])
    ]
    # Those of a condition say which model of several is meant.
    assert [words for words in silent if words[0] != "relu"] == []
    assert "meanings" not in json.dumps(SCHEMA)


def everywhere(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
    for item in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from everywhere(item)


def test_the_version_is_required() -> None:
    assert not accepts("name: a")
    assert not accepts("rnnspec: 2")
    assert not accepts("rnnspec: null")


def test_defaults_are_written_as_in_a_document() -> None:
    epoch = SCHEMA["definitions"]["Epoch"]["properties"]
    assert epoch["jitter"]["default"] == "0 s"
    assert SCHEMA["definitions"]["Coarsening"]["properties"]["over"]["default"] == "50 %"
    assert SCHEMA["definitions"]["Training"]["properties"]["batch"]["default"] == 20


def test_alternatives_of_all_types_are_told_apart() -> None:
    class Part(BaseModel):
        a: float

    class Whole(BaseModel):
        x: float | Literal["auto", "none"] | list[int] | Part

        y: Literal["every phase"] | Annotated[str, Field(pattern="^[a-z]+$")] | list[str]

    class Ambiguous(BaseModel):
        x: Annotated[str, Field(pattern="a")] | Annotated[str, Field(pattern="b")]

    generated = Whole.model_json_schema(ref_template="#/definitions/{model}")
    write = _Writer(generated.pop("$defs"))
    definitions = {name: write.value(model) for name, model in write.models.items()}
    schema = {**write.value(generated), "definitions": definitions}
    Draft7Validator.check_schema(schema)
    validator = Draft7Validator(schema)
    for value in (1.5, "auto", [1], {"a": 1}, {}, None):
        assert validator.is_valid({"x": value})
    wrong: dict[str, list[Any]] = {"x": ["x", True], "x.1": [[1, 1.5]], "x.a": [{"a": "b"}]}
    for place, value in ((place, value) for place, values in wrong.items() for value in values):
        (error,) = validator.iter_errors({"x": value})
        assert (".".join(map(str, error.absolute_path)), error.context) == (place, [])
    for phase, valid in (("every phase", 1), ("hold", 1), ("every epoch", 0), ("every phase of", 0), (3, 0)):
        assert validator.is_valid({"y": phase}) == valid
    with pytest.raises(ValueError, match="the same type"):
        _Writer({}).value(Ambiguous.model_json_schema())
