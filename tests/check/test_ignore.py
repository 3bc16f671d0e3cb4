"""`# rnnspec: ignore[RS216]` silences one code on one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnspec.catalogue import minimal
from rnnspec.check.examine import examine, load
from rnnspec.diagnostics import Problems
from rnnspec.syntax.compose import compose, compose_text

REGULAR = "skips:\n  edges:\n    regular: {kind: sctt, every: 400 steps}"
ODD = "    stimulus: {duration: 410 ms, jitter: 40 ms"


def found(text: str) -> list[tuple[str, int, str]]:
    problems = Problems()
    document = compose_text(text, "spec.yaml", problems)
    assert document is not None
    program = examine(document, problems)
    assert (program is None) == (problems.failed or "name" not in document.value)
    return [(d.code, d.span.line, d.message) for d in problems.sorted()]


def odd(comment: str) -> str:
    return minimal().replace(
        "    stimulus: {duration: 400 ms, jitter: 40 ms, input: {stimulus: ring(direction)}}",
        f"{ODD}, input: {{stimulus: ring(direction)}}}}{comment}",
    )


LINE = odd("").split("\n").index(f"{ODD}, input: {{stimulus: ring(direction)}}}}") + 1


@pytest.mark.parametrize(
    "comment",
    [
        "  # rnnspec: ignore[RS216]",
        "  # rnnspec: ignore[rs216]   as in the paper",
        " # 41 cycles. #rnnspec:ignore [ RS216 ]",
    ],
)
def test_a_warning_is_silenced_on_its_line(comment: str) -> None:
    assert [code for code, _, _ in found(odd(""))] == ["RS216"]
    assert found(odd(comment)) == []


@pytest.mark.parametrize("overlay", [
    REGULAR,
    "network: {connections: {cue -> input: none}}",
    "network: {outputs: {extra: {from: output}}, connections: {output -> extra: none}}\n"
    "task: {target: {extra: 1}}",
])  # fmt: skip
def test_an_error_without_effect_on_the_rest_is_silenced(tmp_path: Path, overlay: str) -> None:
    """And stays silenced in the resolved document, which a run keeps."""
    spec = tmp_path / "spec.yaml"
    spec.write_text(minimal())
    (tmp_path / "over.yaml").write_text(f"rnnspec: 1\n{overlay}\n")
    problems = Problems()
    document = compose(spec, [tmp_path / "over.yaml"], problems=problems)
    assert document is not None
    assert examine(document, problems) is None
    (problem,) = problems.found
    file = Path(problem.span.source.name)
    lines = file.read_text().split("\n")
    lines[problem.span.line - 1] += f"  # rnnspec: ignore[{problem.code}]"
    file.write_text("\n".join(lines))
    specification = load(spec, [tmp_path / "over.yaml"])
    assert specification.warnings == ()
    spec.write_text(specification.text)
    again = load(spec)
    assert (again.warnings, again.text, again.program) == ((), specification.text, specification.program)


def test_other_errors_stay() -> None:
    text = minimal().replace("dt: 20 ms", "dt: 200 ms   # rnnspec: ignore[RS103]")
    assert [(code, line) for code, line, _ in found(text)] == [("RS103", 5), ("RS022", 5)]
    assert found(text)[1][2] == "RS103 is an error, which no comment can silence"


@pytest.mark.parametrize(
    ("comment", "said"),
    [
        ("# rnnspec: ignore[RS216, RS301]", "RS301 is not found on this line"),
        ("# rnnspec: ignore[RS216] # rnnspec: ignore[RS999]", "there is no code 'RS999'"),
        ("# rnnspec: ignore[RS216] # rnnspec: ignore", "this comment names no code"),
        ("# rnnspec: ignore[RS216] # rnnspec: ignore RS216", "this comment names no code"),
    ],
)
def test_a_comment_that_silences_nothing(comment: str, said: str) -> None:
    assert found(odd(f"   {comment}")) == [("RS022", LINE, said)]


def test_a_comment_on_another_line() -> None:
    text = odd("").replace("name: minimal", "name: minimal   # rnnspec: ignore[RS216]")
    problems = Problems()
    document = compose_text(text, "spec.yaml", problems)
    assert document is not None
    examine(document, problems)
    comment, _ = problems.sorted()
    assert (comment.code, comment.help) == ("RS022", f"RS216 is found on line {LINE}")


def test_what_only_looks_like_a_comment() -> None:
    text = (
        minimal()
        .replace("summary: Hold", "summary: 'Hold # rnnspec: ignore[RS216]")
        .replace("then report it.", "then report it.'")
    )
    assert found(text) == []
    assert found(minimal().replace("name: minimal", "name: minimal  # see rnnspec: ignore[RS216]")) == []


def test_a_spec_that_could_not_be_checked_has_no_useless_comments() -> None:
    text = odd("  # rnnspec: ignore[RS216]").replace("dt: 20 ms", "dtt: 20 ms")
    assert [code for code, _, _ in found(text)] == ["RS010"]
    fragment = "rnnspec: 1\ntraining: {batch: 3}   # rnnspec: ignore[RS402]\n"
    assert found(fragment) == []


def test_a_setting_may_take_the_cause_away(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(odd("  # rnnspec: ignore[RS216]"))
    assert load(spec, settings=["task.epochs.stimulus.duration=400 ms"]).warnings == ()
    assert load(spec, settings=["task.epochs.stimulus.duration=410 ms"]).warnings != ()
