"""Several files to one document: what wins, where it comes from, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from syntax.composing import Write, composed, formatted, merged, reread

from rnnspec.diagnostics import Problems, render_text
from rnnspec.syntax.compose import Document, compose, compose_text, dump
from rnnspec.syntax.tree import Scalar, excerpt

SPECS = Path(__file__).parents[2] / "specs"

# --- merging -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "over", "value"),
    [
        ("a: {b: 1, c: 2}", "a: {c: 3, d: 4}", {"a": {"b": 1, "c": 3, "d": 4}}),
        ("a: [1, 2]", "a: [3]", {"a": [3]}),
        ("a: {b: 1}", "a: 2", {"a": 2}),
        ("a: 1", "a: {b: 2}", {"a": {"b": 2}}),
        ("a: 1\nb: 2", "a: null", {"b": 2}),
        ("a: {b: {c: 1}}", "a: {b: ~}", {"a": {}}),
        ("a: {b: 1}", "a:\n", {}),
        (
            "a: null\nb: {c: null, d: 1}",
            "e: {f: null}\ng: [{h: null}, null]",
            {"b": {"d": 1}, "e": {}, "g": [{}, None]},
        ),
        ("a: 1", "nothing: null", {"a": 1}),
        ("a: {kind: ou, tau: 1}", "a: {kind: ou, scale: 2}", {"a": {"kind": "ou", "tau": 1, "scale": 2}}),
        (
            "a: {kind: ou, tau: 1}",
            "a: {kind: white, scale: 2, tau: null}",
            {"a": {"kind": "white", "scale": 2}},
        ),
        ("a: {tau: 1}", "a: {kind: white}", {"a": {"tau": 1, "kind": "white"}}),
        ("a: {kind: ou, tau: 1}", "a: {kind: null}", {"a": {"tau": 1}}),
        ("a: {kind: 1, b: {c: 2}}", "a: {kind: 2}", {"a": {"kind": 2}}),
        # A variable may be called kind.
        (
            "task: {draw: {kind: bernoulli(0.5), x: 1}}",
            "task: {draw: {kind: bernoulli(0.2)}}",
            {"task": {"draw": {"kind": "bernoulli(0.2)", "x": 1}}},
        ),
        (
            "network: {connections: {exc->inh: {density: 1, self: true}}}",
            "network: {connections: {exc  -> inh: {density: 0.5}, inh->exc: none}}",
            {
                "network": {
                    "connections": {"exc -> inh": {"density": 0.5, "self": True}, "inh -> exc": "none"}
                }
            },
        ),
    ],
)
def test_merging(write: Write, base: str, over: str, value: object) -> None:
    found = merged(write, base, over)
    assert found == value
    assert list(str(found)) == list(str(value)), "the order of keys"


def test_extends_then_overlays_then_settings(write: Write) -> None:
    write(
        base__most="a: most\nb: most\nc: most\nd: most\ne: most\n",
        base__more="extends: most.yaml\nb: more\nc: more\nd: more\ne: more\n",
        spec="extends: base/more.yaml\nc: spec\nd: spec\ne: spec\n",
        first="extends: base/other.yaml\nd: first\ne: first\n",
        base__other="f: other\n",
        second="e: second\n",
    )
    assert composed("spec.yaml", ("first.yaml", "second.yaml"), ("g=1", "g=2", "f=set")) == (
        {"a": "most", "b": "more", "c": "spec", "d": "first", "e": "second", "f": "set", "g": 2},
        [],
    )
    assert composed("spec.yaml", ("second.yaml", "first.yaml"))[0] == {
        "a": "most",
        "b": "more",
        "c": "spec",
        "d": "first",
        "e": "first",
        "f": "other",
    }


def test_paths_are_relative_to_the_file_that_extends(write: Write) -> None:
    write(a__spec="extends: ../b/base.yaml\n", b__base="extends: most.yaml\nx: 1\n", b__most="y: 2\n")
    assert composed("a/spec.yaml") == ({"y": 2, "x": 1}, [])


def test_every_value_knows_where_it_comes_from(write: Write) -> None:
    write(
        base="training:\n  networks: 100\n  batch: 20\n  stop: {performance: 0.99}\n",
        spec="# a spec\nextends: base.yaml\nname: x\nlist: [1, é, 3]\n",
        over="training: {batch: 40, seed: 1}\n",
    )
    problems = Problems()
    document = compose(
        "spec.yaml", ["over.yaml"], ["training.networks=10", "new . key= 5"], problems=problems
    )
    assert document is not None
    assert not problems.found
    assert document.name == "spec.yaml"

    def place(*path: str | int, key: bool = False) -> str:
        span = document.span(path, key=key)
        return f"{span.source.name}:{span.line}:{span.column} {excerpt(span)}"

    assert place("training", "batch") == "over.yaml:1:19 40"
    assert place("training", "batch", key=True) == "over.yaml:1:12 batch"
    assert place("training", "networks") == "--set:1:19 10"
    assert place("training", "networks", key=True) == "--set:1:10 networks"
    assert place("training", "stop", "performance") == "base.yaml:4:23 0.99"
    assert place("training", key=True) == "base.yaml:1:1 training"
    assert place("new", "key") == "--set:1:12 5"
    assert place("new", "key", key=True) == "--set:1:7 key"
    assert place("list", 1) == "spec.yaml:4:11 é"
    # Absent: the key that would hold it, or the beginning of the spec.
    assert place("training", "stop", "trim") == "base.yaml:4:3 stop"
    assert place("training", "clip", "x", key=True) == "base.yaml:1:1 training"
    assert place("list", 3) == "spec.yaml:4:1 list"
    assert place("task") == "spec.yaml:2:1 "
    assert place() == "spec.yaml:2:1 "

    inside = document.inside(["training", "batch"], 1, 2)
    assert (inside.source.name, inside.column, inside.end_column) == ("over.yaml", 20, 21)
    assert document.inside(["training", "stop"], 1, 2) == document.span(["training", "stop"])

    node = document.node(["training", "batch"])
    assert isinstance(node, Scalar)
    assert node.value == 40
    assert document.node([]) is document.tree
    assert document.node(["training", "batch", "x"]) is None
    assert document.node(["list", 0]) is not None
    assert document.node(["list", -1]) is None
    assert document.node(["list", "0"]) is None


# --- epochs ------------------------------------------------------------------------------------------

EPOCHS = "name: x\ntask: {epochs: {context: {d: 1}, stimulus: {d: 2}, response: {d: 3}}}"


@pytest.mark.parametrize(
    ("over", "order"),
    [
        ("delay: {after: stimulus, d: 4}", "context stimulus delay response"),
        ("delay: {before: stimulus}", "context delay stimulus response"),
        ("delay: {after: response}", "context stimulus response delay"),
        ("delay: {before: context}", "delay context stimulus response"),
        ("a: {after: stimulus}, b: {after: stimulus}", "context stimulus a b response"),
        ("a: {before: stimulus}, b: {before: stimulus}", "context a b stimulus response"),
        ("a: {after: stimulus}, b: {before: response}", "context stimulus a b response"),
        ("a: {after: b}, b: {after: stimulus}", "context stimulus b a response"),
        ("a: {after: stimulus}, b: {after: a}", "context stimulus a b response"),
        ("stimulus: {after: response}", "context response stimulus"),
        ("response: {before: context}", "response context stimulus"),
        ("context: {after: response}, delay: {after: context}", "stimulus response context delay"),
        ("delay: {after: context}, context: {after: response}", "stimulus response context delay"),
        ("stimulus: null, delay: {after: context}", "context delay response"),
        ("stimulus: {d: 5}", "context stimulus response"),
        ("stimulus: {after: null}", "context stimulus response"),
    ],
)
def test_epochs_have_their_place(write: Write, over: str, order: str) -> None:
    found = merged(write, EPOCHS, f"task: {{epochs: {{{over}}}}}")
    assert isinstance(found, dict)
    epochs = found["task"]["epochs"]
    assert " ".join(epochs) == order
    assert not any({"after", "before"} & set(epoch) for epoch in epochs.values())


ALL = "expected one of: context, stimulus, response"


@pytest.mark.parametrize(
    ("over", "problem"),
    [
        (
            "delay: {d: 4}",
            "1:17 RS017 the new epoch 'delay' has no position; add 'after: EPOCH' or 'before: EPOCH' to it",
        ),
        (
            "stimulsu: {d: 4}",
            "1:17 RS017 the new epoch 'stimulsu' has no position; did you mean 'stimulus'? "
            "If the epoch is new, add 'after: EPOCH' or 'before: EPOCH' to it",
        ),
        (
            "delay: 500 ms",
            "1:17 RS017 the new epoch 'delay' has no position; add 'after: EPOCH' or 'before: EPOCH' to it",
        ),
        (
            "delay: {after: stimulsu}",
            f"1:32 RS017 'stimulsu' is not an epoch of this task; {ALL}; did you mean 'stimulus'?",
        ),
        ("delay: {after: go}", f"1:32 RS017 'go' is not an epoch of this task; {ALL}"),
        ("delay: {after: delay}", f"1:32 RS017 the epoch 'delay' cannot be placed beside itself; {ALL}"),
        (
            "delay: {after: 3}",
            "1:32 RS017 the value of 'after' is not a string; expected the name of an epoch",
        ),
        (
            "delay: {after: stimulus, before: response}",
            "1:42 RS017 the epoch 'delay' has both 'after' and 'before'; delete one of the two",
        ),
        (
            "delay: {before: response, after: stimulus}",
            "1:43 RS017 the epoch 'delay' has both 'after' and 'before'; delete one of the two",
        ),
        (
            "stimulus: null, delay: {after: stimulus}",
            "1:48 RS017 'stimulus' is not an epoch of this task; expected one of: context, response",
        ),
    ],
)
def test_epochs_without_a_place(write: Write, over: str, problem: str) -> None:
    write(base=EPOCHS, over=f"task: {{epochs: {{{over}}}}}")
    value, problems = composed("base.yaml", ("over.yaml",))
    assert value is not ...
    assert problems == [f"over.yaml:{problem}"]


def test_epochs_that_wait_for_each_other(write: Write) -> None:
    write(base=EPOCHS, over="task: {epochs: {a: {after: b}, b: {before: a}}}")
    assert composed("base.yaml", ("over.yaml",))[1] == [
        f"over.yaml:1:28 RS017 the positions of 'a' and 'b' depend on each other; {ALL}",
        f"over.yaml:1:44 RS017 the positions of 'b' and 'a' depend on each other; {ALL}",
    ]


def test_the_first_epochs_need_no_place(write: Write) -> None:
    write(spec="name: x\ntask: {epochs: {a: {}, b: {before: a}, c: {}}}")
    value, problems = composed("spec.yaml")
    assert (list(value["task"]["epochs"]), problems) == (["b", "a", "c"], [])
    write(spec="name: x\ntask: {epochs: {a: {}, b: {before: z}}}")
    assert composed("spec.yaml")[1] == ["spec.yaml:2:36 RS017 'z' is not an epoch of this task; expected 'a'"]


def test_a_fragment_may_name_an_epoch_of_its_future_base(write: Write) -> None:
    write(over="task: {epochs: {delay: {after: stimulus, d: 1}}}", base=EPOCHS)
    assert composed("over.yaml") == ({"task": {"epochs": {"delay": {"d": 1}}}}, [])


# --- files -------------------------------------------------------------------------------------------


def test_extends_must_lead_somewhere(write: Write) -> None:
    write(base__cognitive="a: 1\n", spec="name: x\nextends: base/cognitve.yaml\n")
    assert composed("spec.yaml") == (
        ...,
        ["spec.yaml:2:10 RS016 there is no file 'base/cognitve.yaml'; did you mean 'cognitive.yaml'?"],
    )


PATH = "expected the path of a file; for example: 'extends: base/cognitive.yaml'"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "[a.yaml]",
            f"1:10 RS016 'extends' takes one path; {PATH}",
        ),
        (
            "5",
            f"1:10 RS016 'extends' takes one path; {PATH}",
        ),
        (
            "''",
            f"1:10 RS016 'extends' takes one path; {PATH}",
        ),
        (
            "/etc/passwd",
            f"1:10 RS016 the path in 'extends' must be relative to this file; {PATH}",
        ),
        (
            '"a\\0b"',
            "1:10 RS016 there is no file 'a\N{REPLACEMENT CHARACTER}b'; "
            "a path in 'extends' is relative to the file that it stands in",
        ),
        (
            "spec.yaml",
            "1:10 RS016 the files extend each other in a cycle: spec.yaml -> spec.yaml; "
            "delete one 'extends' of the cycle",
        ),
    ],
)
def test_extends_takes_a_path(write: Write, text: str, problem: str) -> None:
    write(spec=f"extends: {text}\n")
    assert composed("spec.yaml") == (..., [f"spec.yaml:{problem}"])


def test_extends_nothing(write: Write) -> None:
    write(spec="extends: null\na: 1\n")
    assert composed("spec.yaml") == ({"a": 1}, [])


def test_extends_in_a_circle(write: Write) -> None:
    write(spec="extends: a/b.yaml\n", a__b="extends: ../c.yaml\n", c="extends: a/b.yaml\n")
    assert composed("spec.yaml") == (
        ...,
        [
            "a/../c.yaml:1:10 RS016 the files extend each other in a cycle: a/b.yaml -> a/../c.yaml -> "
            "a/../a/b.yaml; delete one 'extends' of the cycle"
        ],
    )


def test_extends_through_many_files(write: Write) -> None:
    write(**{f"f{i}": f"extends: f{i + 1}.yaml\n" for i in range(20)}, f20="a: 1\n")
    assert composed("f0.yaml") == (
        ...,
        ["f15.yaml:1:10 RS016 a chain of 'extends' may have at most 16 files"],
    )
    assert composed("f5.yaml") == ({"a": 1}, [])


def test_problems_of_an_extended_file_point_into_it(write: Write) -> None:
    write(spec="extends: base.yaml\na: 1\n", base="a: 1\na: 2\nb: 3\n")
    assert composed("spec.yaml") == (
        {"a": 1, "b": 3},
        [
            "base.yaml:2:1 RS005 the key 'a' is already defined on line 1; delete one of the two, or merge "
            "them"
        ],
    )
    write(base="- a\n")
    assert composed("spec.yaml")[1] == [
        "base.yaml:1:1 RS009 the document is a list; expected a mapping: keys and values; a spec starts "
        "with 'rnnspec: 1'"
    ]


NO_METHOD = (
    "and no method of that name; expected the path of a file, or one of: "
    "cd10, control, dasc10, dasc40, sctt10, sctt40, strategic"
)


def test_methods_have_names(write: Write) -> None:
    write(specs__x="a: 1\n", m="a: 3\n")
    Path("specs/methods").mkdir()
    Path("specs/methods/dasc40.yaml").write_text("a: 2\n")
    Path("specs/methods/sctt40.yaml").write_text("a: 4\n")
    Path("dasc40").mkdir()
    assert composed("specs/x.yaml", ("dasc40",)) == ({"a": 2}, [])
    assert composed("specs/x.yaml", ("m.yaml",)) == ({"a": 3}, [])
    assert composed("specs/x.yaml", ("specs/methods/sctt40.yaml",)) == ({"a": 4}, [])
    assert composed("specs/x.yaml", ("dsac40", "methods/dasc40")) == (
        ...,
        [
            f"--with:1:1 RS016 there is no file 'dsac40' {NO_METHOD}; did you mean 'dasc40'?",
            f"--with:1:1 RS016 there is no file 'methods/dasc40' {NO_METHOD}; did you mean 'dasc40'?",
        ],
    )


def test_the_methods_that_come_along_are_known_everywhere(write: Write) -> None:
    write(x="a: 1\n", mine="a: 3\n")
    value, problems = composed("x.yaml", ("sctt40",))
    assert isinstance(value, dict)
    assert (value["skips"]["edges"]["regular"]["every"], problems) == ("40 steps", [])
    said = f"--with:1:1 RS016 there is no file 'mine' {NO_METHOD}; did you mean 'mine.yaml'?"
    assert composed("x.yaml", ("mine",)) == (..., [said])


def test_all_files_are_read_before_giving_up(write: Write) -> None:
    write(spec="a: [\n", over="b: {\n")
    assert composed("spec.yaml", ("over.yaml", "more.yaml"), ("a",)) == (
        ...,
        [
            "--set:1:1 RS018 this setting has no '='; expected KEY=VALUE; for example: training.networks=10",
            f"--with:1:1 RS016 there is no file 'more.yaml' {NO_METHOD}; did you mean 'over.yaml'?",
            "over.yaml:1:4 RS003 this '{' is never closed; close it with '}'",
            "spec.yaml:1:4 RS003 this '[' is never closed; close it with ']'",
        ],
    )


def test_connections_are_named_once(write: Write) -> None:
    write(spec="network:\n  connections:\n    a->b: none\n    a -> b: none\n")
    assert composed("spec.yaml") == (
        {"network": {"connections": {"a -> b": "none"}}},
        [
            "spec.yaml:4:5 RS005 the key 'a -> b' is already defined on line 3; delete one of the two, or "
            "merge them"
        ],
    )


def test_a_text_without_a_file(write: Write) -> None:
    write(base="a: 1\n")
    problems = Problems()
    document = compose_text("extends: base.yaml\nb: 2\n", "<text>", problems)
    assert document == Document(document.tree, "<text>") if document else False
    assert document is not None
    assert document.value == {"a": 1, "b": 2}
    assert document.span(["b"]).source.name == "<text>"
    assert compose_text("- a", "<text>", problems) is None
    assert formatted(problems) == [
        "<text>:1:1 RS009 the document is a list; expected a mapping: keys and values; a spec starts with "
        "'rnnspec: 1'"
    ]


# --- properties --------------------------------------------------------------------------------------

NAMES = st.sampled_from(
    ["task", "epochs", "a", "b", "c", "after", "before", "kind", "extends", "name", "network"]
)
TREES = st.recursive(
    st.sampled_from([None, 1, "a", "b", "c", "x -> y"]),
    lambda below: (
        st.dictionaries(NAMES | st.just("connections"), below, max_size=4) | st.lists(below, max_size=2)
    ),
    max_leaves=25,
)
DOCUMENTS = st.dictionaries(NAMES, TREES, max_size=4) | TREES.map(lambda tree: {"task": {"epochs": tree}})
SETTINGS = st.text("abtask.=[]{}:,->1 \n'\x00", max_size=20) | st.lists(NAMES, max_size=20).map(
    lambda names: ".".join(names) + "={after: a}"
)


@given(DOCUMENTS, st.lists(DOCUMENTS, max_size=2), st.lists(SETTINGS, max_size=3))
@examples(150)
def test_anything_is_composed_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    base: dict[str, object],
    overlays: list[dict[str, object]],
    sets: list[str],
) -> None:
    folder = tmp_path_factory.getbasetemp()
    files = [folder / f"{number}.yaml" for number in range(len(overlays) + 1)]
    for file, value in zip(files, [base, *overlays], strict=True):
        file.write_text(dump(value))
    problems = Problems()
    document = compose(files[0], files[1:], sets, problems=problems)
    render_text(problems.sorted())
    assert document is not None or problems.failed
    if document is not None:
        value = document.value
        assert "extends" not in value
        assert no_null(value)
        assert reread(dump(value)) == value
        assert compose_again(value, problems.failed) == value


def no_null(value: object) -> bool:
    if isinstance(value, dict):
        return all(below is not None and no_null(below) for below in value.values())
    return all(no_null(below) for below in value) if isinstance(value, list) else True


def compose_again(value: dict[str, object], failed: bool) -> object:
    """Return what a resolved document resolves to."""
    problems = Problems()
    document = compose_text(dump(value), "again.yaml", problems)
    assert failed or not problems.found
    assert document is not None
    return document.value
