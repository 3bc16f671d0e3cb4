"""Variants of a spec that share work are those that are loaded one by one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from shipped import SPECS

from rnnspec.check.examine import TASK_RULES, Specification, apply_rules, load
from rnnspec.check.variants import Variants
from rnnspec.diagnostics import Diagnostic, Problems, SpecError
from rnnspec.syntax.compose import compose
from rnnspec.syntax.setting import Setting, read_setting

OVERLAY = str(SPECS / "methods" / "dasc40.yaml")

#: Each comes after the others, so that what one leaves behind would be seen in the next.
MORE = (
    (),
    ("skips.beta.from=0.2",),
    ("skips.beta.from=0.2", "skips.edges.regular.every=10 steps"),
    ("training.seed=1", "training.iterations=300"),
    ("training.batch=7",),
    ("training.loss=squared_error",),
    ("skips.edges.regular=null", "coarsening.from=2"),
    ("training.clip=null",),
    ("network.noise.scale=0.2",),
    ("network.noise.scale=0.2", "training.seed=2"),
    ("task.epochs.LAST.duration=507 ms",),
    ("skips.beta.from=2",),
    ("skips.beta.from=0.3",),
    ("training.netwroks=3",),
    ("task.epochs.LAST.duratoin=1 s",),
    ("task.epochs.LAST.target=null",),
    ("skips.edges.regular.every=5 parsecs", "training.batch=0"),
    ("training.seed.x=1",),
    ("name=null",),
    ("task=null",),
    ("label=short",),
)


def answer(make: Callable[[], Specification]) -> Specification | tuple[Diagnostic, ...]:
    try:
        return make()
    except SpecError as error:
        return error.diagnostics


def settings(texts: tuple[str, ...], last: str) -> list[Setting]:
    found = [read_setting(text.replace("LAST", last), Problems()) for text in texts]
    return [setting for setting in found if setting is not None]


@pytest.mark.parametrize(
    ("name", "last", "fixed"),
    [
        ("delayed_match_to_category", "response", ("task.epochs.delay.duration=1001 ms", "coarsening=null")),
        ("rule_reversal", "respond", ("training.batch=13", "training.networks=2")),
        # What is shared has errors.
        ("go", "response", ("task.epochs.response.grcae=5 ms", "task.draw.direction=uniform(0, x)")),
        ("go", "response", ("training.seed.x=1",)),
    ],
)
def test_variants_are_what_is_loaded_alone(name: str, last: str, fixed: tuple[str, ...]) -> None:
    path, common = str(SPECS / f"{name}.yaml"), settings(fixed, last)
    variants = Variants(path, [OVERLAY], common)
    wrong = 0
    for texts in MORE:
        more = settings(texts, last)
        alone = answer(lambda more=more: load(path, [OVERLAY], [*common, *more]))  # type: ignore[misc]
        assert answer(lambda more=more: variants.load(more)) == alone, texts  # type: ignore[misc]
        wrong += isinstance(alone, tuple)
    assert wrong == (len(MORE) if "x" in "".join(fixed) else 7)


def test_variants_share_what_no_setting_reaches() -> None:
    variants = Variants(str(SPECS / "go.yaml"), [OVERLAY], [])
    one, two, three, four = (
        variants.load(settings(texts, "")).program
        for texts in (
            (),
            ("skips.beta.from=0.2",),
            ("task.epochs.response.grace=0 ms",),
            ("training.seed=1",),
        )
    )
    assert one.timeline is two.timeline
    assert one.network is two.network
    assert three.timeline != two.timeline
    # The last one that was checked is shared.
    assert four.timeline == one.timeline


def test_what_variants_share_does_not_depend_on_the_rest() -> None:
    """The rules of the task find the same, whatever the skips and the training are."""
    problems = Problems()
    document = compose(
        SPECS / "rule_reversal.yaml", (), ["task.epochs.respond.duration=9 ms"], problems=problems
    )
    assert document is not None
    specification = load(SPECS / "rule_reversal.yaml", (), ["task.epochs.wait.gradient=false"])
    apply_rules(TASK_RULES, specification.program, document, whole := Problems())
    alone = Problems()
    parts = ("name", "label", "summary", "skips", "coarsening", "training")
    for part in parts:
        object.__delattr__(specification.program, part)
    apply_rules(TASK_RULES, specification.program, document, alone)
    assert alone.found == whole.found != []
