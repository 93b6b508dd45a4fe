"""What an event pays, as a formula: a small language, compiled by allow-list and bounded.

A formula is Python's arithmetic and no more, and what it says it means as in Python::

    1 - 0.5 * distance_to_food / grid_size
    0.1 if distance_to_food < previous_distance_to_food else -0.1
    -clip(hunger / starvation_limit, 0, 1) ** 2

- numbers, and the variables that the environment names;
- ``+ - * /`` and the unary minus;
- a power ``x ** n`` with a number in plain sight: a whole one from -4 to 4, or 0.5. It stands for
  multiplications, one division, or a square root, whose results are the same on every machine;
- comparisons, also chained; they are worth 1 or 0;
- ``and``, ``or``, ``not``, ``… if … else …``;
- ``min(x, y, …)``, ``max(x, y, …)``, ``abs(x)``, and ``clip(x, low, high)``, which stands for
  ``min(max(x, low), high)``.

All of it is computed in float64, for many boards at once. A board on which a formula divides by
zero, or on the way to its result meets a number that is not finite, has no value. Only what Python
would have computed counts: the branch that was not chosen may fail.

No text is ever run as Python. `ast.parse` turns it into a tree, after a look at every character;
what is not on the list above is refused.

Computing on many boards knows no exception, so a failure travels as a number: whatever fails is
infinite or not a number, and everything that follows must keep it so. Sums, products and roots do
by themselves. A divisor, a comparison, a choice and the smaller of two would lose it (``1 / inf``
is 0), so they look at `_solid` numbers or add `_trace`.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rlplay.errors import FormulaError, nearest

__all__ = ["LARGEST", "MAX_CHARACTERS", "MAX_DEPTH", "MAX_NODES", "Formula", "Values"]

#: The bounds of a formula. Its nodes are its numbers, variables, operators and functions; its depth
#: is how far they are nested, and how far its parentheses are.
MAX_CHARACTERS: Final = 200
MAX_NODES: Final = 100
MAX_DEPTH: Final = 20
#: No number in a formula, and no result, may be larger: eight of them still fit into a float32.
LARGEST: Final = 1e30

#: (N,) float64, or () where it is the same on every board.
Numbers: TypeAlias = NDArray[np.float64]
#: The variables by name.
Values: TypeAlias = Mapping[str, Numbers]
Compute: TypeAlias = Callable[[Values], Numbers]

_ZERO: Final = np.array(0.0)
_ONE: Final = np.array(1.0)

_TOKEN: Final = re.compile(
    r"""\ *(?:
        (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?![\w.])
      | (?P<name>[A-Za-z_]\w*)
      | (?P<sign>[-+*/(),]|[<>=!]=|[<>])
    )""",
    re.ASCII | re.VERBOSE,
)

_ARITHMETIC: Final[dict[type[ast.operator], np.ufunc]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
}
_COMPARISONS: Final[dict[type[ast.cmpop], np.ufunc]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
#: The functions, and how many arguments each takes.
_FUNCTIONS: Final = {
    "abs": "one number",
    "clip": "three numbers (x, low, high)",
    "max": "two numbers or more",
    "min": "two numbers or more",
}
_EXPONENTS: Final = (*range(-4, 5), 0.5)
_ALLOWED: Final = (
    "Allowed: numbers, variables, + - * / **, comparisons, and, or, not, … if … else …, "
    f"{', '.join(_FUNCTIONS)}."
)


@dataclass(frozen=True, slots=True)
class _Node:
    """A part of a formula.

    Attributes:
        tree: What was read.
        parts: What it is computed from, in Python's order.
        compute: Gives its value on every board; infinite or not a number where it fails.
        is_sure: Whether it never fails.
        is_truth: Whether `compute` gives True and False, for 1 and 0.
    """

    tree: ast.expr
    parts: tuple[_Node, ...]
    compute: Callable[[Values], NDArray[Any]]
    is_sure: bool
    is_truth: bool = False


class Formula:
    """A function over arrays that was compiled from a text.

    Args:
        text: The formula.
        variables: The names that it may use.

    Attributes:
        text: The formula, without the blanks around it.
        variables: The names that it does use, in their first order of appearance.

    Raises:
        FormulaError: For a text that is not a formula, in one sentence.
    """

    def __init__(self, text: str, variables: Iterable[str]) -> None:
        self.text = _checked(text)
        compiler = _Compiler(self.text, variables)
        self._root = compiler.node(_parsed(self.text), 1)
        self._compute = _numbers(self._root)
        self.variables = tuple(compiler.used)

    def __call__(self, values: Values) -> Numbers:
        """Compute the formula on every board.

        Args:
            values: For each of `variables` (N,) float64, or () where all boards share it; finite.

        Returns:
            (N,) float64, NaN where the formula has no value; () where no variable is (N,).
        """
        with np.errstate(all="ignore"):
            result = self._compute(values)
            # The quickest way to see that all is well: a sum of squares is not below anything
            # where one of them is NaN, and above each of them otherwise.
            if np.dot(result, result) <= LARGEST:
                return result
            return np.where(np.absolute(result) <= LARGEST, result, np.nan)

    def explain(self, values: Values) -> str:
        """Say why the formula has no value on a board.

        Args:
            values: The variables on that board, () float64 each.

        Returns:
            The text, what it does, and where: without a full stop, to be used in a sentence.
        """
        with np.errstate(all="ignore"):
            culprit = _culprit(self._root, values)
            reason = _reason(culprit, values)
        part = ""
        if culprit is not self._root:
            part = f" in {ast.get_source_segment(self.text, culprit.tree)!r}"
        board = ", ".join(f"{name} = {values[name]:.15g}" for name in self.variables)
        return f"{self.text!r} {reason}{part}" + (f" where {board}" if board else "")

    def __repr__(self) -> str:
        return f"Formula({self.text!r})"


# From text to tree -------------------------------------------------------------------------------


def _refusal(text: str, reason: str, allowed: str = _ALLOWED) -> FormulaError:
    return FormulaError(f"The formula {text!r} cannot be used: {reason}. {allowed}")


def _checked(text: object) -> str:
    """Refuse a text that is too long or nested, or has anything that no formula has."""
    if not isinstance(text, str):
        raise FormulaError(f"A formula is a text, not {type(text).__name__}.")
    if len(text) > MAX_CHARACTERS:
        raise _refusal(
            text[:40] + "…",
            f"it has {len(text)} characters",
            f"Allowed: {MAX_CHARACTERS}.",
        )
    text = text.strip(" ")
    depth = position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise _refusal(text, _strange(text[position:].lstrip(" ")))
        depth += {"(": 1, ")": -1}.get(token[0][-1], 0)
        if depth > MAX_DEPTH:
            raise _refusal(
                text,
                f"its parentheses are nested more than {MAX_DEPTH} deep",
                "Write it more simply.",
            )
        position = token.end()
    return text


def _strange(rest: str) -> str:
    """Say what is wrong with the next character, which begins no part of a formula."""
    number = re.match(r"\.?\d[\w.]*", rest, re.ASCII)
    if number:
        return f"{number[0]!r} is no number"
    name = unicodedata.name(rest[0], "")
    return f"the character {rest[0]!r}{f' ({name})' if name else ''} has no place in it"


def _parsed(text: str) -> ast.expr:
    """Read a checked text as Python would."""
    if not text:
        raise _refusal(text, "it is empty")
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        place = f" at character {error.offset}" if error.offset else ""
        raise _refusal(text, f"{error.msg}{place}") from None
    except (RecursionError, MemoryError):  # whoever calls stands near Python's own limit
        raise _refusal(text, "it is nested too deep", "Write it more simply.") from None


# From tree to function ---------------------------------------------------------------------------


class _Compiler:
    """Turns a tree into a function, node by node.

    Args:
        text: The formula, for messages.
        variables: The names that it may use.

    Attributes:
        used: The names that it uses, as keys.
    """

    def __init__(self, text: str, variables: Iterable[str]) -> None:
        self.text = text
        self.variables = tuple(variables)
        self.used: dict[str, None] = {}
        self.num_nodes = 0

    def node(self, tree: ast.expr, depth: int) -> _Node:
        """Compile a tree that stands `depth` nodes deep, counted from 1."""
        self.num_nodes += 1
        if self.num_nodes > MAX_NODES:
            raise _refusal(
                self.text,
                f"it has more than {MAX_NODES} numbers, variables, operators and functions",
                "Write it more simply.",
            )
        if depth > MAX_DEPTH:
            raise _refusal(
                self.text, f"it is nested more than {MAX_DEPTH} deep", "Write it more simply."
            )

        def below(*trees: ast.expr) -> tuple[_Node, ...]:
            return tuple(self.node(part, depth + 1) for part in trees)

        match tree:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return _Node(tree, (), self._number(value), True)
            case ast.Name(id=name):
                return _Node(tree, (), self._variable(name), True)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return _unary(tree, np.negative, below(operand))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return _negation(tree, below(operand))
            case ast.BinOp(op=ast.Pow(), left=left, right=right):
                return _power(tree, below(left), self._exponent(right))
            case ast.BinOp(op=ast.Div(), left=left, right=right):
                return _division(tree, below(left, right))
            case ast.BinOp(op=operator, left=left, right=right) if type(operator) in _ARITHMETIC:
                return _arithmetic(tree, _ARITHMETIC[type(operator)], below(left, right))
            case ast.BoolOp(op=operator, values=trees):
                return _either(tree, isinstance(operator, ast.And), below(*trees))
            case ast.Compare(left=left, ops=operators, comparators=others) if all(
                type(operator) in _COMPARISONS for operator in operators
            ):
                compare = [_COMPARISONS[type(operator)] for operator in operators]
                return _comparison(tree, compare, below(left, *others))
            case ast.IfExp(test=test, body=body, orelse=otherwise):
                return _choice(tree, below(test, body, otherwise))
            case ast.Call(func=ast.Name(id=name), args=trees, keywords=[]):
                self._check_call(name, trees)
                return _function(tree, name, below(*trees))
        raise _refusal(self.text, f"{self._source(tree)!r} has no place in it")

    def _source(self, tree: ast.expr) -> str:
        return ast.get_source_segment(self.text, tree) or self.text

    def _number(self, value: float) -> Compute:
        if not abs(value) <= LARGEST:
            raise _refusal(self.text, "a number in it is too large", f"Allowed: up to {LARGEST:g}.")
        number = np.array(value, np.float64)
        return lambda _: number

    def _variable(self, name: str) -> Compute:
        if name not in self.variables:
            if name in _FUNCTIONS:
                raise _refusal(self.text, f"{name} is a function, so write {name}(…)")
            raise _refusal(
                self.text,
                f"there is no variable {name!r}",
                f"{nearest(name, self.variables)} Variables: "
                f"{', '.join(self.variables) or 'none'}.".lstrip(),
            )
        self.used[name] = None
        return itemgetter(name)

    def _exponent(self, tree: ast.expr) -> float:
        sign, literal = 1, tree
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
            sign, literal = -1, tree.operand
        match literal:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                if sign * value in _EXPONENTS:
                    return float(sign * value)
        raise _refusal(
            self.text,
            f"{self._source(tree)!r} cannot be an exponent",
            "Allowed: a whole number from -4 to 4, or 0.5.",
        )

    def _check_call(self, name: str, arguments: Sequence[ast.expr]) -> None:
        if name not in _FUNCTIONS:
            raise _refusal(
                self.text,
                f"there is no function {name!r}",
                f"{nearest(name, _FUNCTIONS)} Functions: {', '.join(_FUNCTIONS)}.".lstrip(),
            )
        right = {"abs": len(arguments) == 1, "clip": len(arguments) == 3}
        if not right.get(name, len(arguments) >= 2):
            raise _refusal(self.text, f"{name} takes {_FUNCTIONS[name]}, not {len(arguments)}")


def _all_sure(parts: Iterable[_Node]) -> bool:
    return all(part.is_sure for part in parts)


def _numbers(node: _Node) -> Compute:
    """Give what computes a node as float64."""
    compute = node.compute
    return (lambda values: compute(values).astype(np.float64)) if node.is_truth else compute


def _truth(node: _Node) -> Callable[[Values], NDArray[np.bool_]]:
    """Give what computes whether a node counts as true; NaN does."""
    compute = node.compute
    return compute if node.is_truth else (lambda values: np.not_equal(compute(values), _ZERO))


def _trace(numbers: Numbers) -> Numbers:
    """Give 0, and NaN where a number is not finite: added to a result, it keeps a failure."""
    return numbers - numbers


def _solid(node: _Node) -> Compute:
    """Give what computes a node as float64, NaN wherever it fails: what follows is NaN then."""
    compute = _numbers(node)
    if node.is_sure:
        return compute

    def solid(values: Values) -> Numbers:
        numbers = compute(values)
        return numbers + _trace(numbers)

    return solid


def _unary(tree: ast.expr, ufunc: np.ufunc, parts: tuple[_Node, ...]) -> _Node:
    compute = _numbers(parts[0])
    return _Node(tree, parts, lambda values: ufunc(compute(values)), parts[0].is_sure)


def _arithmetic(tree: ast.expr, ufunc: np.ufunc, parts: tuple[_Node, ...]) -> _Node:
    left, right = map(_numbers, parts)
    return _Node(tree, parts, lambda values: ufunc(left(values), right(values)), False)


def _division(tree: ast.expr, parts: tuple[_Node, ...]) -> _Node:
    above, below = _numbers(parts[0]), _solid(parts[1])
    return _Node(tree, parts, lambda values: np.divide(above(values), below(values)), False)


def _power(tree: ast.expr, parts: tuple[_Node, ...], exponent: float) -> _Node:
    base, count = _numbers(parts[0]), int(abs(exponent))

    def product(values: Values) -> Numbers:
        factor = base(values)
        result = factor if count else _ONE + _trace(factor)
        for _ in range(count - 1):
            result = result * factor
        return result

    power = _Node(tree, parts, product, False)
    if exponent == 0.5:
        power = _Node(tree, parts, lambda values: np.sqrt(base(values)), False)
    elif exponent < 0:
        divisor = _solid(power)
        power = _Node(tree, parts, lambda values: np.divide(_ONE, divisor(values)), False)
    return power


def _negation(tree: ast.expr, parts: tuple[_Node, ...]) -> _Node:
    if parts[0].is_sure:
        truth = _truth(parts[0])
        return _Node(tree, parts, lambda values: np.logical_not(truth(values)), True, True)
    compute = parts[0].compute

    def negation(values: Values) -> Numbers:
        numbers = compute(values)
        return np.where(np.equal(numbers, _ZERO), _ONE, _ZERO) + _trace(numbers)

    return _Node(tree, parts, negation, False)


def _comparison(tree: ast.expr, compare: Sequence[np.ufunc], parts: tuple[_Node, ...]) -> _Node:
    computes = list(map(_numbers, parts))

    def holds(values: Values) -> NDArray[np.bool_]:
        numbers = [compute(values) for compute in computes]
        result: NDArray[np.bool_] = compare[0](numbers[0], numbers[1])
        for index, ufunc in enumerate(compare[1:], 1):
            result = result & ufunc(numbers[index], numbers[index + 1])
        return result

    if _all_sure(parts):
        return _Node(tree, parts, holds, True, True)

    def comparison(values: Values) -> Numbers:
        numbers = [compute(values) for compute in computes]
        result = _ONE
        # From the last pair to the first: where one does not hold, those behind it do not count.
        for index in reversed(range(len(compare))):
            left, right = numbers[index], numbers[index + 1]
            result = np.where(compare[index](left, right), result, _ZERO)
            result = result + (_trace(left) + _trace(right))
        return result

    return _Node(tree, parts, comparison, False)


def _either(tree: ast.expr, is_and: bool, parts: tuple[_Node, ...]) -> _Node:
    """``x and y`` is ``y if x else x``, ``x or y`` is ``x if x else y``."""
    if all(part.is_truth for part in parts):
        combine = np.logical_and if is_and else np.logical_or
        truths = [part.compute for part in parts]

        def truth(values: Values) -> NDArray[np.bool_]:
            result = truths[0](values)
            for other in truths[1:]:
                result = combine(result, other(values))
            return result

        return _Node(tree, parts, truth, True, True)
    computes, is_sure = list(map(_numbers, parts)), _all_sure(parts)
    decides = np.equal if is_and else np.not_equal

    def either(values: Values) -> Numbers:
        result = computes[-1](values)
        for compute in reversed(computes[:-1]):
            first = compute(values)
            result = np.where(decides(first, _ZERO), first, result)
            if not is_sure:
                result = result + _trace(first)
        return result

    return _Node(tree, parts, either, is_sure)


def _choice(tree: ast.expr, parts: tuple[_Node, ...]) -> _Node:
    yes, no = map(_numbers, parts[1:])
    if parts[0].is_sure:
        truth = _truth(parts[0])
        return _Node(
            tree,
            parts,
            lambda values: np.where(truth(values), yes(values), no(values)),
            _all_sure(parts),
        )
    test = parts[0].compute

    def choice(values: Values) -> Numbers:
        decides = test(values)
        result = np.where(np.not_equal(decides, _ZERO), yes(values), no(values))
        return result + _trace(decides)

    return _Node(tree, parts, choice, False)


def _function(tree: ast.expr, name: str, parts: tuple[_Node, ...]) -> _Node:
    if name == "abs":
        return _unary(tree, np.absolute, parts)
    computes = list(map(_solid, parts))
    ufuncs = [np.maximum, np.minimum]
    if name != "clip":
        ufuncs = [np.minimum if name == "min" else np.maximum] * (len(parts) - 1)

    def function(values: Values) -> Numbers:
        result = computes[0](values)
        for ufunc, compute in zip(ufuncs, computes[1:], strict=True):
            result = ufunc(result, compute(values))
        return result

    return _Node(tree, parts, function, _all_sure(parts))


# Why a formula has no value ----------------------------------------------------------------------


def _culprit(node: _Node, values: Values) -> _Node:
    """Find where a failure began: the node that failed although what it is computed from did not.

    Where nothing failed, the number itself is too large, and it is the node itself.
    """
    parts = node.parts
    if isinstance(node.tree, ast.IfExp):
        test, yes, no = parts
        parts = (test, yes if test.compute(values) else no)
    for part in parts:
        if not np.isfinite(part.compute(values)):
            return _culprit(part, values)
    return node


def _reason(node: _Node, values: Values) -> str:
    """Say how a node failed."""
    match node.tree:
        case ast.BinOp(op=ast.Pow(), right=ast.Constant(value=0.5)):
            if node.parts[0].compute(values) < 0:
                return "takes the square root of a negative number"
        case ast.BinOp(op=ast.Div() | ast.Pow()):
            if node.parts[-1].compute(values) == 0:
                return "divides by zero"
    return f"gives a number beyond {LARGEST:g}"
