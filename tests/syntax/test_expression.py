"""Text to expression trees: precedences as in Python, places, and what is refused in which words."""

from __future__ import annotations

import ast
from fractions import Fraction

import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from rnnspec.syntax.expression import (
    Binary,
    Call,
    ExpressionError,
    Name,
    Number,
    Quantity,
    Tree,
    Unary,
    parse,
)
from rnnspec.syntax.quantity import Time


def shape(tree: Tree) -> str:
    """Return a tree as text with every parenthesis written."""
    match tree:
        case Number():
            return repr(tree.value)
        case Quantity():
            return f"<{tree.time}>"
        case Name():
            return tree.id
        case Call():
            return f"{tree.function}({', '.join(shape(argument) for argument in tree.arguments)})"
        case Unary():
            return f"({tree.operator} {shape(tree.operand)})"
        case Binary():
            return f"({shape(tree.left)} {tree.operator} {shape(tree.right)})"


def walk(tree: Tree) -> list[Tree]:
    match tree:
        case Call():
            below = list(tree.arguments)
        case Unary():
            below = [tree.operand]
        case Binary():
            below = [tree.left, tree.right]
        case _:
            below = []
    return [tree, *(node for child in below for node in walk(child))]


def refusal(text: str) -> str:
    """Return `start:end message; expected ...; help` of a text that does not parse."""
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    error = caught.value
    assert str(error) == error.message
    message = f"{error.start}:{error.end} {error.message}"
    message += f"; expected {error.expected}" if error.expected else ""
    return message + (f"; {error.help}" if error.help else "")


# --- trees -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("1", "1"),
        ("1.", "1.0"),
        (".5", "0.5"),
        ("1e-3", "0.001"),
        ("1E2", "100.0"),
        ("017", "17"),
        (" x_1 ", "x_1"),
        ("a\n+\tb", "(a + b)"),
        ("-x**2", "(- (x ** 2))"),
        ("2 ** -1", "(2 ** (- 1))"),
        ("2 ** 3 ** 2", "(2 ** (3 ** 2))"),
        ("2 ** -x ** 2", "(2 ** (- (x ** 2)))"),
        ("a - b - c", "((a - b) - c)"),
        ("a - (b - c)", "(a - (b - c))"),
        ("a / b * c % d", "(((a / b) * c) % d)"),
        ("a + b * c", "(a + (b * c))"),
        ("- -+a * b", "((- (- (+ a))) * b)"),
        ("a + b < c * d", "((a + b) < (c * d))"),
        ("a<-b", "(a < (- b))"),
        ("not a == b", "(not (a == b))"),
        ("not not a", "(not (not a))"),
        ("not a and not b or c", "(((not a) and (not b)) or c)"),
        ("a or b and c", "(a or (b and c))"),
        ("(a < b) < c", "((a < b) < c)"),
        ("a < b and b != c", "((a < b) and (b != c))"),
        ("f()", "f()"),
        ("f(a, g(b) + 1, -c)", "f(a, (g(b) + 1), (- c))"),
        ("min (a, b)", "min(a, b)"),
        ("notes + android", "(notes + android)"),
        ("300 ms + wait", "(<300 ms> + wait)"),
        ("1.5s", "<1.5 s>"),
        ("2 * 40 steps", "(2 * <40 steps>)"),
        ("- 1 min", "(- <1 min>)"),
        ("0.8 * ring(direction) * (modality == 1)", "((0.8 * ring(direction)) * (modality == 1))"),
        ("where(rule == 1, shown, 1 - shown)", "where((rule == 1), shown, (1 - shown))"),
    ],
)
def test_trees(text: str, tree: str) -> None:
    assert shape(parse(text)) == tree


def test_numbers_keep_their_kind() -> None:
    whole, real = parse("3"), parse("3.0")
    assert (whole, real) == (Number(3, 0, 1), Number(3.0, 0, 3))
    assert isinstance(whole, Number)
    assert isinstance(real, Number)
    assert (type(whole.value), type(real.value)) == (int, float)


def test_times_are_exact() -> None:
    assert parse(" 0.1 ms") == Quantity(Time(Fraction(1, 10_000) * 1000, "ms"), 1, 7)
    assert parse("1e-3 s") == Quantity(Time(Fraction(1, 1000), "s"), 0, 6)


def test_places() -> None:
    text = "1 + (pi) * f(-x, (a or b)) ** 300 ms"
    tree = parse(text)
    places = {shape(node): text[node.start : node.end] for node in walk(tree)}
    assert places == {
        "(1 + (pi * (f((- x), (a or b)) ** <300 ms>)))": text,
        "1": "1",
        "(pi * (f((- x), (a or b)) ** <300 ms>))": "(pi) * f(-x, (a or b)) ** 300 ms",
        "pi": "pi",
        "(f((- x), (a or b)) ** <300 ms>)": "f(-x, (a or b)) ** 300 ms",
        "f((- x), (a or b))": "f(-x, (a or b))",
        "(- x)": "-x",
        "x": "x",
        "(a or b)": "a or b",
        "a": "a",
        "b": "b",
        "<300 ms>": "300 ms",
    }


# --- refusals ----------------------------------------------------------------------------------------

NAMES = "use the letters a to z, digits and _"
TRUTH = "write 1 for true and 0 for false, or a condition such as x > 0.5; in place of 'x == true', write x"
SUBSCRIPTS = "there are no subscripts: pick(k, a, b) chooses a value by its index"
TEXTS = "there are no strings: use numbers for the cases"
WHERE = "write where(condition, a, b)"
PERCENT = "'%' is the remainder of a division; for 50 % write 0.5"
PARTS = "define parts of it as variables in 'draw'"
#: `t` has no value in `draw`.
PARTS_WITHOUT_T = "define parts of it that do not contain 't' as variables in 'draw'"
UNITS = "expected one of: us, ms, s, min, step, steps"
ONLY = "a comma can only separate the arguments of a function"

REFUSED = {
    # Missing and misplaced values.
    "": "0:0 the expression is empty; expected a value",
    " \n": "0:2 the expression is empty; expected a value",
    "a +": "3:3 a value is missing after '+'",
    "a + ": "4:4 a value is missing after '+'",
    "* a": "0:1 a value is missing before '*'",
    "a * / b": "4:5 a value is missing after '*'",
    "not": "3:3 a value is missing after 'not'",
    "and a": "0:3 a value is missing before 'and'",
    "f(": "2:2 a value is missing after '('",
    "f(a,)": "4:5 a value is missing after ','",
    "f(,a)": "2:3 a value is missing after '('",
    "()": "1:2 these parentheses are empty; expected a value",
    "50 %": f"4:4 a value is missing after '%'; {PERCENT}",
    "50 % * a": f"5:6 a value is missing after '%'; {PERCENT}",
    # Missing operators.
    "a b": "2:3 an operator is missing before 'b'",
    "2 x": "2:3 an operator is missing before 'x'; did you mean '2 * x'?",
    "a 2": "2:3 an operator is missing before '2'",
    "1.2.3": "3:5 an operator is missing before '.3'; did you mean '1.2 * .3'?",
    "1_000": "1:5 an operator is missing before '_000'; write numbers without '_'",
    "2 (a + b)": "2:3 only a function name can stand before '('; write 2 * (...)",
    "f(a)(b)": "4:5 only a function name can stand before '('; write f(a) * (...)",
    "a not b": "2:5 an operator is missing before 'not'; write 'and not' or 'or not'",
    "a + not b": "4:7 'not' needs parentheses after this operator; write (not x)",
    # Parentheses and commas.
    "(a": "0:1 this '(' is never closed; close it with ')'",
    "f(a, (b)": "1:2 this '(' is never closed; close it with ')'",
    "a)": "1:2 this ')' closes nothing; delete it, or open it with '('",
    "a, b": f"1:2 {ONLY}",
    "(a, b)": f"2:3 {ONLY}",
    "1,5": f"1:2 {ONLY}; write a decimal point, not a comma",
    # Chains.
    "0 < a + 1 <= b": "10:12 comparisons cannot be chained; write 0 < a + 1 and a + 1 <= b",
    "a == b == c": "7:9 comparisons cannot be chained; write a == b and b == c",
    # Other notations.
    "a = 1": "2:3 '=' is not an operator; did you mean '=='?",
    "a === 1": "2:5 '===' is not an operator; did you mean '=='?",
    "f(width=1)": "7:8 functions take no named arguments; write the values without names, in order",
    "f(2=1)": "3:4 '=' is not an operator; did you mean '=='?",
    "a && b": "2:4 '&&' is not an operator; did you mean 'and'?",
    "a || b": "2:4 '||' is not an operator; did you mean 'or'?",
    "!a": "0:1 '!' is not an operator; did you mean 'not'?",
    "a <> b": "2:4 '<>' is not an operator; did you mean '!='?",
    "a => b": "2:4 '=>' is not an operator; did you mean '>='?",
    "a ≤ b": "2:3 '≤' is not an operator; did you mean '<='?",
    "a ^ 2": "2:3 '^' is not an operator; did you mean '**'?",
    "a // b": "2:4 '//' is not an operator; write floor(a / b)",
    "a × b": "2:3 '×' is not an operator; did you mean '*'?",
    "a − b": "2:3 '−' is not an operator; did you mean '-'?",
    "3²": "1:2 '²' is not an operator; did you mean '** 2'?",
    "2 * π": "4:5 'π' is not a valid name: use the letters a to z, digits and _; did you mean 'pi'?",
    "grün": f"0:4 'grün' is not a valid name: {NAMES}",
    "a ? b : c": f"2:3 '?' is not an operator; {WHERE}",
    "a if b else c": f"2:4 'if' is not part of the expression language; {WHERE}",
    "lambda: 0": "0:6 'lambda' is not part of the expression language; only the built-in functions can be "
    "used",
    "a in b": "2:4 'in' is not part of the expression language; write x == a or x == b",
    "True": f"0:4 'True' is not part of the expression language; {TRUTH}",
    "x and false": f"6:11 'false' is not part of the expression language; {TRUTH}",
    "yield": "0:5 'yield' is not part of the expression language",
    "a.b": "1:2 '.' is not an operator; there are no attributes: a name has no dots",
    "a[0]": f"1:2 '[' is not an operator; {SUBSCRIPTS}",
    "[1, 2]": f"0:1 '[' is not an operator; {SUBSCRIPTS}",
    "f('a')": f"2:3 an expression cannot contain strings; {TEXTS}",
    "f(“a”)": f"2:3 an expression cannot contain strings; {TEXTS}",
    '"a"': f"0:1 an expression cannot contain strings; {TEXTS}",
    "$": "0:1 '$' is not an operator",
    "a \x00": "2:3 '\N{REPLACEMENT CHARACTER}' is not an operator",
    # Units.
    "5 sec": f"2:5 'sec' is not a unit of time; {UNITS}; did you mean 's'?",
    "5 stepz": f"2:7 'stepz' is not a unit of time; {UNITS}; did you mean 'step'?",
    "5 µs": "2:4 'µs' is not a valid name: use the letters a to z, digits and _; did you mean 'us'?",
    # Caps.
    "1e65": "0:4 this exponent is too large; expected at most 64",
    "1e-65": "0:5 this exponent is too large; expected at most 64",
    "9" * 65: "0:65 the number has more than 64 characters; write fewer digits",
    "1 + x ** 65": "9:11 this exponent is too large; expected at most 64",
    "x ** -(65)": "7:9 this exponent is too large; expected at most 64",
    "(" * 33 + "a" + ")" * 33: f"32:33 the expression is nested more than 32 levels deep; {PARTS}",
    "-" * 33 + "a": f"32:33 the expression is nested more than 32 levels deep; {PARTS}",
    "not " * 33 + "a": f"128:131 the expression is nested more than 32 levels deep; {PARTS}",
    "f(" * 33 + "a" + ")" * 33: f"64:65 the expression is nested more than 32 levels deep; {PARTS}",
    "a**" * 33 + "a": f"97:99 the expression is nested more than 32 levels deep; {PARTS}",
    "f("
    + "a," * 499
    + "a)": f"1001:1002 the expression has more than 500 numbers, names and operators; {PARTS}",
    "a+" * 100 + "a": f"0:201 this expression chains more than 100 operators; {PARTS}",
    "t+" * 100 + "t": f"0:201 this expression chains more than 100 operators; {PARTS_WITHOUT_T}",
    "(" * 33 + "t" + ")" * 33: f"32:33 the expression is nested more than 32 levels deep; {PARTS_WITHOUT_T}",
    "t +"
    + "a" * 2001: f"0:1 the expression has 2,004 characters; at most 2,000 are allowed; {PARTS_WITHOUT_T}",
    "tau+" * 100 + "a_t": f"0:403 this expression chains more than 100 operators; {PARTS}",
    "a" * 2001: f"0:1 the expression has 2,001 characters; at most 2,000 are allowed; {PARTS}",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items(), ids=[repr(text)[:30] for text in REFUSED])
def test_refused_in_these_words(text: str, message: str) -> None:
    assert refusal(text) == message


@pytest.mark.parametrize(
    "text",
    [
        "(" * 32 + "a" + ")" * 32,
        "f(" + "a," * 498 + "a)",
        "a+" * 99 + "a",
        "x ** 64",
        "1e64",
        "9" * 64,
        "a" * 2000,
    ],
    ids=["nesting", "nodes", "height", "power", "exponent", "digits", "characters"],
)
def test_caps_are_reached_exactly(text: str) -> None:
    parse(text)


# --- properties --------------------------------------------------------------------------------------

PIECES = [
    "a",
    "f(",
    "(",
    ")",
    ",",
    "1",
    "2.5",
    "40 steps",
    "ms",
    "-",
    "+",
    "*",
    "**",
    "/",
    "%",
    "<",
    "==",
    "=",
]
PIECES += [
    "and",
    "or",
    "not",
    "if",
    "'",
    "[",
    ".",
    "µ",
    "²",
    "\n",
    "\x00",
    "1e9",
    "e9",
    "^",
    "&&",
    "π",
    "!=",
    "->",
]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join) | st.text(max_size=60))
@examples(300)
def test_anything_is_a_tree_or_an_expression_error(text: str) -> None:
    try:
        places = [(node.start, node.end) for node in walk(parse(text))]
    except ExpressionError as error:
        places = [(error.start, max(error.end, error.start + 1))]
    for start, end in places:
        assert 0 <= start < end <= len(text) + 1


def build(leaves: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Strategy: expressions that are the same in Python."""
    operators = st.sampled_from(["+", "-", "*", "/", "%", "**", "and", "or"])
    pair = st.tuples(leaves, operators, leaves).map(" ".join)
    return (
        pair
        | leaves.map("({})".format)
        | leaves.map("-{}".format)
        | leaves.map("(not {})".format)
        | st.tuples(leaves, st.sampled_from(["<", "=="]), leaves).map(lambda parts: f"({' '.join(parts)})")
        | st.lists(leaves, max_size=3).map(lambda arguments: f"f({', '.join(arguments)})")
    )


@given(st.recursive(st.sampled_from(["a", "b", "1", "2.5"]), build, max_leaves=12))
@examples(150)
def test_the_tree_is_the_one_that_python_sees(text: str) -> None:
    assert shape(parse(text)) == python_shape(ast.parse(text, mode="eval").body)


SIGNS: dict[type, str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.Lt: "<",
    ast.Eq: "==",
    ast.And: "and",
    ast.Or: "or",
    ast.USub: "-",
    ast.Not: "not",
}


def python_shape(node: ast.expr) -> str:
    match node:
        case ast.Constant():
            return repr(node.value)
        case ast.Name():
            return node.id
        case ast.Call(func=ast.Name(id=name)):
            return f"{name}({', '.join(python_shape(argument) for argument in node.args)})"
        case ast.UnaryOp():
            return f"({SIGNS[type(node.op)]} {python_shape(node.operand)})"
        case ast.BinOp():
            return f"({python_shape(node.left)} {SIGNS[type(node.op)]} {python_shape(node.right)})"
        case ast.Compare():
            return (
                f"({python_shape(node.left)} {SIGNS[type(node.ops[0])]} {python_shape(node.comparators[0])})"
            )
        case ast.BoolOp():
            # Python keeps a and b and c as one node.
            first, *rest = [python_shape(value) for value in node.values]
            for value in rest:
                first = f"({first} {SIGNS[type(node.op)]} {value})"
            return first
    raise AssertionError(ast.dump(node))
