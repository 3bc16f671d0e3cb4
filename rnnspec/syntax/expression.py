"""Parses expressions: a tokenizer and a precedence-climbing parser with the operator precedences of Python.

The trees are untyped.  Lowering (`program/expressions.py`) resolves names and types.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

from rnnspec.diagnostics import nearest, one_of, shorten
from rnnspec.syntax.core_schema import CURLY
from rnnspec.syntax.quantity import SPELLINGS, UNITS, Time

MAX_CHARACTERS = 2000
MAX_NODES = 500
MAX_NESTING = 32
MAX_HEIGHT = 100
MAX_EXPONENT = 64
MAX_NUMBER = 64

_TOO_LONG = "define parts of it as variables in 'draw'"
_PARTS_WITHOUT_T = "define parts of it that do not contain 't' as variables in 'draw'"


@dataclass(frozen=True)
class Number:
    value: int | float
    start: int
    end: int


@dataclass(frozen=True)
class Quantity:
    """A time: a number followed by a unit."""

    time: Time
    start: int
    end: int


@dataclass(frozen=True)
class Name:
    id: str
    start: int
    end: int


@dataclass(frozen=True)
class Call:
    """A function and its arguments; the name of the function begins at `start`."""

    function: str
    arguments: tuple[Tree, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Unary:
    """-x, +x or not x."""

    operator: str
    operand: Tree
    start: int
    end: int


@dataclass(frozen=True)
class Binary:
    """x + y, or another binary operator: + - * / % ** < <= > >= == != and or."""

    operator: str
    left: Tree
    right: Tree
    start: int
    end: int


Tree = Number | Quantity | Name | Call | Unary | Binary


def children(tree: Tree) -> tuple[Tree, ...]:
    """Return the operands or arguments of a tree."""
    match tree:
        case Call(arguments=arguments):
            return arguments
        case Unary(operand=operand):
            return (operand,)
        case Binary(left=left, right=right):
            return (left, right)
        case _:
            return ()


class ExpressionError(ValueError):
    """A mistake in an expression, and the characters where it is (0-based, end exclusive)."""

    def __init__(self, message: str, start: int, end: int, expected: str = "", help: str = "") -> None:
        super().__init__(message)
        self.message, self.start, self.end, self.expected, self.help = message, start, end, expected, help


def parse(text: str) -> Tree:
    """Return the tree of an expression.  Raises ExpressionError."""
    if len(text) > MAX_CHARACTERS:
        message = f"the expression has {len(text):,} characters; at most {MAX_CHARACTERS:,} are allowed"
        raise ExpressionError(message, 0, 1, help=_shorter(text))
    try:
        return _Parser(text).parse()
    except ExpressionError as error:
        error.help = _shorter(text) if error.help == _TOO_LONG else error.help
        raise


def _shorter(text: str) -> str:
    """Return how to shorten an expression: a part with `t` cannot be a variable."""
    return _PARTS_WITHOUT_T if re.search(r"\bt\b", text) else _TOO_LONG


# --- tokens ------------------------------------------------------------------------------------------

# `other`: operators of other languages.  The parser reports them when it reaches them.
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<other>===|!==|//|<>|=>|=<|->|&&|\|\|)
    | (?P<sign>\*\*|<=|>=|==|!=|[-+*/%<>(),])
    | (?P<word>[^\W\d]\w*)
    | (?P<end>\Z)
    | (?P<rest>.)
    )""",
    re.VERBOSE | re.DOTALL,
)

_REMEDIES = {
    "=": "did you mean '=='?",
    "===": "did you mean '=='?",
    "!==": "did you mean '!='?",
    "<>": "did you mean '!='?",
    "≠": "did you mean '!='?",
    "=>": "did you mean '>='?",
    "≥": "did you mean '>='?",
    "=<": "did you mean '<='?",
    "≤": "did you mean '<='?",
    "&&": "did you mean 'and'?",
    "&": "did you mean 'and'?",
    "||": "did you mean 'or'?",
    "|": "did you mean 'or'?",
    "!": "did you mean 'not'?",
    "~": "did you mean 'not'?",
    "^": "did you mean '**'?",
    "//": "write floor(a / b)",
    "×": "did you mean '*'?",
    "·": "did you mean '*'?",
    "÷": "did you mean '/'?",
    "−": "did you mean '-'?",
    "–": "did you mean '-'?",
    "²": "did you mean '** 2'?",
    "³": "did you mean '** 3'?",
    "π": "did you mean 'pi'?",
    "µs": "did you mean 'us'?",
    "μs": "did you mean 'us'?",
    "[": "there are no subscripts: pick(k, a, b) chooses a value by its index",
    "]": "there are no subscripts: pick(k, a, b) chooses a value by its index",
    ".": "there are no attributes: a name has no dots",
    "'": "there are no strings: use numbers for the cases",
    '"': "there are no strings: use numbers for the cases",
    **dict.fromkeys(CURLY, "there are no strings: use numbers for the cases"),
    "?": "write where(condition, a, b)",
    ":": "write where(condition, a, b) to choose between a and b",
    "if": "write where(condition, a, b)",
    "else": "write where(condition, a, b)",
    "lambda": "only the built-in functions can be used",
    "for": "there are no loops",
    "in": "write x == a or x == b",
    "is": "did you mean '=='?",
    **dict.fromkeys(
        ("true", "True", "false", "False"),
        "write 1 for true and 0 for false, or a condition such as x > 0.5; in place of 'x == true', write x",
    ),
}


@dataclass(frozen=True, slots=True)
class _Token:
    """kind: number, name, sign, end, or other (not part of the language)."""

    kind: str
    text: str
    start: int
    end: int


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while not tokens or tokens[-1].kind != "end":
        found = _TOKEN.match(text, position)
        assert found is not None
        assert found.lastgroup is not None
        kind, word = found.lastgroup, found[found.lastgroup]
        if kind == "word":
            # `and`, `or` and `not` are operators; other keywords of Python cannot be names in generated code.
            operator = word in ("and", "or", "not")
            known = word.isascii() and not keyword.iskeyword(word) and word not in ("true", "false")
            kind = "sign" if operator else "name" if known else "other"
        tokens.append(_Token("other" if kind == "rest" else kind, word, *found.span(found.lastgroup)))
        position = found.end()
    return tokens


# --- parser ------------------------------------------------------------------------------------------

_NOT, _COMPARISON, _UNARY = 3, 4, 7
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
#: Precedence: an operator with a higher number binds more tightly.
_BINDING = {
    "or": 1,
    "and": 2,
    **dict.fromkeys(_COMPARISONS, _COMPARISON),
    **dict.fromkeys(("+", "-"), 5),
    **dict.fromkeys(("*", "/", "%"), 6),
    "**": 8,
}


class _Parser:
    """A precedence-climbing parser.  It recurses once for each level of nesting, hence MAX_NESTING."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.position = 0
        self.nesting = 0
        self.nodes = 0
        #: The parentheses that are open, and whether each encloses the arguments of a call.
        self.open: list[tuple[_Token, bool]] = []

    def parse(self) -> Tree:
        if not self.text.strip():
            raise ExpressionError("the expression is empty", 0, len(self.text), expected="a value")
        tree = self._expression(0)
        if self._token.kind != "end":
            self._refuse_follower(tree)
        _check_height(tree)
        return tree

    @property
    def _token(self) -> _Token:
        return self.tokens[self.position]

    @property
    def _last(self) -> _Token:
        return self.tokens[self.position - 1]

    def _advance(self) -> _Token:
        self.position += 1
        return self._last

    def _expression(self, floor: int) -> Tree:
        """Parse operands joined by operators of at least the precedence floor."""
        start = self._token.start
        left = self._operand(floor)
        while self._token.kind == "sign":
            operator = self._token
            binding = _BINDING.get(operator.text, -1)
            if binding < floor or binding < 0:
                break
            self._advance()
            if operator.text == "**":
                # Right associative; a sign after it binds more tightly: 2 ** -x ** 2.
                right = self._deeper(_UNARY, operator)
                self._check_exponent(right)
            else:
                right = self._expression(binding + 1)
            left = self._node(Binary(operator.text, left, right, start, self._last.end))
            if operator.text in _COMPARISONS and self._token.text in _COMPARISONS:
                self._refuse_chain(left, right)
        return left

    def _operand(self, floor: int) -> Tree:
        """Parse a number, time, name, call, parenthesis or signed operand."""
        token = self._token
        if token.kind == "number":
            return self._number()
        if token.kind == "name":
            self._advance()
            if self._token.text == "(":
                return self._call(token)
            return self._node(Name(token.text, token.start, token.end))
        if token.text == "(":
            self._advance()
            self.open.append((token, False))
            tree = self._deeper(0, token)
            self._close(tree)
            return tree
        if token.text in ("-", "+", "not"):
            if token.text == "not" and floor > _NOT:
                message = "'not' needs parentheses after this operator"
                self._refuse(token, message, help="write (not x)")
            self._advance()
            operand = self._deeper(_NOT if token.text == "not" else _UNARY, token)
            return self._node(Unary(token.text, operand, token.start, self._last.end))
        return self._refuse_missing_value()

    def _number(self) -> Tree:
        token = self._advance()
        exponent = re.search(r"[eE]([+-]?[0-9]+)", token.text)
        if len(token.text) > MAX_NUMBER:
            self._refuse(
                token, f"the number has more than {MAX_NUMBER} characters", help="write fewer digits"
            )
        if exponent and abs(int(exponent[1])) > MAX_EXPONENT:
            self._refuse(token, "this exponent is too large", expected=f"at most {MAX_EXPONENT}")
        unit = self._token
        if unit.kind == "name" and unit.text in UNITS:
            self._advance()
            return self._node(Quantity(Time(Fraction(token.text), unit.text), token.start, unit.end))
        value = int(token.text) if token.text.isdigit() else float(token.text)
        return self._node(Number(value, token.start, token.end))

    def _call(self, name: _Token) -> Tree:
        self.open.append((self._advance(), True))
        arguments: list[Tree] = []
        if self._token.text != ")":
            arguments.append(self._deeper(0, name))
            while self._token.text == ",":
                self._advance()
                arguments.append(self._deeper(0, name))
        self._close(arguments[-1] if arguments else None)
        return self._node(Call(name.text, tuple(arguments), name.start, self._last.end))

    def _close(self, inside: Tree | None) -> None:
        if self._token.text != ")":
            self._refuse_follower(inside)
        self._advance()
        self.open.pop()

    # --- guards ---

    def _deeper(self, floor: int, token: _Token) -> Tree:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            message = f"the expression is nested more than {MAX_NESTING} levels deep"
            self._refuse(token, message, help=_TOO_LONG)
        tree = self._expression(floor)
        self.nesting -= 1
        return tree

    def _node(self, tree: Tree) -> Tree:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            message = f"the expression has more than {MAX_NODES} numbers, names and operators"
            self._refuse(self._last, message, help=_TOO_LONG)
        return tree

    def _check_exponent(self, exponent: Tree) -> None:
        literal = exponent.operand if isinstance(exponent, Unary) else exponent
        if isinstance(literal, Number) and literal.value > MAX_EXPONENT:
            expected = f"at most {MAX_EXPONENT}"
            raise ExpressionError("this exponent is too large", literal.start, literal.end, expected)

    # --- refusals ---

    def _refuse(self, token: _Token, message: str, expected: str = "", help: str = "") -> NoReturn:
        raise ExpressionError(message, token.start, token.end, expected, help)

    def _refuse_other(self, token: _Token) -> NoReturn:
        """Refuse a token that is not part of the language."""
        word = shorten(token.text)
        if token.text in "'\"`" + CURLY:
            message = "an expression cannot contain strings"
        elif token.text[0].isalpha() and not token.text.isascii():
            message = f"'{word}' is not a valid name: use the letters a to z, digits and _"
        elif keyword.iskeyword(token.text) or token.text in ("true", "false"):
            message = f"'{word}' is not part of the expression language"
        else:
            message = f"'{word}' is not an operator"
        self._refuse(token, message, help=_REMEDIES.get(token.text, ""))

    def _refuse_missing_value(self) -> NoReturn:
        token, last = self._token, self._last if self.position else None
        if token.kind == "other":
            self._refuse_other(token)
        before = f"before '{token.text}'" if token.kind != "end" else "at the end"
        where = f"after '{last.text}'" if last else before
        help = ""
        if last and last.text == "%" and token.kind in ("end", "sign"):
            help = "'%' is the remainder of a division; for 50 % write 0.5"
        if last and last.text == "(" and token.text == ")":
            self._refuse(token, "these parentheses are empty", expected="a value")
        self._refuse(token, f"a value is missing {where}", help=help)

    def _refuse_follower(self, left: Tree | None) -> NoReturn:
        """Refuse a token that cannot follow a complete value."""
        token = self._token
        bracket, is_call = self.open[-1] if self.open else (None, False)
        if token.kind == "other":
            if token.text == "=" and is_call and isinstance(left, Name):
                help = "write the values without names, in order"
                self._refuse(token, "functions take no named arguments", help=help)
            self._refuse_other(token)
        if token.kind == "end" and bracket is not None:
            self._refuse(bracket, "this '(' is never closed", help="close it with ')'")
        if token.text == ")":
            self._refuse(token, "this ')' closes nothing", help="delete it, or open it with '('")
        if token.text == ",":
            self._refuse(
                token, "a comma can only separate the arguments of a function", help=self._decimal(left)
            )
        if token.text == "not":
            self._refuse(token, "an operator is missing before 'not'", help="write 'and not' or 'or not'")
        self._refuse_neighbour(token, left)

    def _refuse_neighbour(self, token: _Token, left: Tree | None) -> NoReturn:
        """Refuse a value that directly follows another one."""
        word = shorten(token.text)
        if isinstance(left, Number) and token.kind == "name":
            unit = SPELLINGS.get(token.text.lower(), "")
            if unit or nearest(token.text, UNITS):
                help = f"did you mean '{unit}'?" if unit else nearest(token.text, UNITS)
                self._refuse(token, f"'{word}' is not a unit of time", expected=one_of(UNITS), help=help)
        if token.text == "(":
            help = f"write {self._excerpt(left)} * (...)"
            self._refuse(token, "only a function name can stand before '('", help=help)
        help = f"did you mean '{self._excerpt(left)} * {word}'?" if isinstance(left, Number) else ""
        if isinstance(left, Number) and token.text.startswith("_"):
            help = "write numbers without '_'"
        self._refuse(token, f"an operator is missing before '{word}'", help=help)

    def _refuse_chain(self, left: Tree, middle: Tree) -> NoReturn:
        """Refuse a < x < b, which would compare the truth value of a < x with b."""
        operator = self._advance()
        right = self._expression(_COMPARISON + 1)
        texts = [self._excerpt(tree) for tree in (left, middle, right)]
        help = f"write {texts[0]} and {texts[1]} {operator.text} {texts[2]}"
        self._refuse(operator, "comparisons cannot be chained", help=help)

    def _excerpt(self, tree: Tree | None) -> str:
        return shorten(self.text[tree.start : tree.end]) if tree else ""

    def _decimal(self, left: Tree | None) -> str:
        number = isinstance(left, Number) and self.tokens[self.position + 1].kind == "number"
        return "write a decimal point, not a comma" if number else ""


def _check_height(tree: Tree) -> None:
    """Refuse chains such as a + b + ... that would nest too deeply in generated code."""
    level, height = [tree], 0
    while level:
        height += 1
        if height > MAX_HEIGHT:
            message = f"this expression chains more than {MAX_HEIGHT} operators"
            raise ExpressionError(message, tree.start, tree.end, help=_TOO_LONG)
        level = [below for above in level for below in children(above)]
