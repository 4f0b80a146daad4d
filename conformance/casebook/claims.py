"""The claims language: statements on a case's arguments and facts, which say what a target supports.

    kernel_size == 3 and strides in (1, 2) and dtype == "float32" and not (padding == "same" and channels % 4)

Names are the layer's arguments and the facts of `facts`; there are comparisons (`==`, `!=`, `<`, `<=`, `>`, `>=`, `in`,
`not in`), remainders (`channels % 8`), `and`, `or`, `not`, parentheses, and nothing else. Text is parsed, never
evaluated. A number where a pair is meant stands for both axes: `strides in (1, 2)` is (1, 1) or (2, 2), and
`kernel_size <= 7` holds where both sides do. `activation == "linear"` covers None. What reports tell as a condition is
such a statement, too.
"""

from __future__ import annotations

import ast
import difflib
import functools
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.facts import AXES, PAIRS, facts
from depthwise_conformance.casebook.recipes import OWN, RECIPES
from depthwise_conformance.reference import FORMATS, LayerConfig
from depthwise_conformance.reference.activations import ACTIVATIONS

Known = Mapping[str, Any]  # facts by name, all or some
Truth = bool | None  # None: it takes facts that are not known

STEMS = {argument: stem for stem, argument in PAIRS.items()}
CHOICES: Mapping[str, tuple[str, ...]] = {
    "padding": ("valid", "same"),
    "data_format": ("channels_last", "channels_first"),
    "activation": tuple(name for name in ACTIVATIONS if name is not None),
    "dtype": tuple(FORMATS),
    "recipe": (*RECIPES, OWN),
}
FACTS = facts(Case(LayerConfig((1, 1)), (1, 1, 1, 1), Data()))
NAMES = tuple(sorted({*FACTS, *STEMS}))
COMPARED: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
ORDERED = (operator.lt, operator.le, operator.gt, operator.ge)


class ClaimError(ValueError):
    """A statement that is none of the language; the message says where, and what is accepted."""


@dataclass(frozen=True)
class Term:
    """A fact, its remainder by `modulus` if that is not 0, or a constant (`name` is "" then)."""

    name: str = ""
    value: Any = None
    modulus: int = 0

    def of(self, known: Known) -> Any:
        """The value; None where it is not known, in a pair for each axis that is not."""
        if not self.name:
            return self.value
        if self.name in STEMS:
            return tuple(known.get(f"{STEMS[self.name]}_{axis}") for axis in AXES)
        found = known.get(self.name)
        return found % self.modulus if self.modulus and found is not None else found


@dataclass(frozen=True)
class Comparison:
    """Two terms, and what is said of them."""

    left: Term
    compare: Callable[[Any, Any], bool]
    right: Term

    def truth(self, known: Known) -> Truth:
        """Whether it holds."""
        left, right = self.left.of(known), self.right.of(known)
        if not (isinstance(left, tuple) or isinstance(right, tuple)):
            return None if left is None or right is None else bool(self.compare(left, right))
        sides = zip(_both(left), _both(right), strict=True)
        compare = operator.eq if self.compare is operator.ne else self.compare
        found = _all(None if one is None or other is None else bool(compare(one, other)) for one, other in sides)
        return _not(found) if self.compare is operator.ne else found

    def terms(self) -> Iterator[tuple[Term, Term]]:
        """Each term beside what it is compared with."""
        yield self.left, self.right
        yield self.right, self.left


@dataclass(frozen=True)
class Joined:
    """Statements of which all hold, or any (`either`), or the one does not (`negated`)."""

    parts: tuple[Statement, ...]
    either: bool = False
    negated: bool = False

    def truth(self, known: Known) -> Truth:
        """Whether it holds."""
        found = (part.truth(known) for part in self.parts)
        truth = _not(_all(_not(one) for one in found)) if self.either else _all(found)
        return _not(truth) if self.negated else truth

    def terms(self) -> Iterator[tuple[Term, Term]]:
        """Those of its parts."""
        for part in self.parts:
            yield from part.terms()


Statement = Comparison | Joined


@dataclass(frozen=True)
class Claim:
    """A statement of the language; `text` is "" for everything. Raises ClaimError for what is none."""

    text: str = ""

    @functools.cached_property
    def _statement(self) -> Statement:
        return _parse(self.text) if self.text.strip() else Joined(())

    def __post_init__(self) -> None:
        assert self._statement is not None  # parsed at once, for its errors

    def __str__(self) -> str:
        return self.text or "everything"

    def __and__(self, other: Claim) -> Claim:
        texts = dict.fromkeys(one.text.strip() for one in (self, other) if one.text.strip())
        return Claim(" and ".join(f"({text})" for text in texts) if len(texts) > 1 else next(iter(texts), ""))

    def covers(self, case: Case) -> bool:
        """Whether the case is claimed."""
        return not self.text or self.truth(facts(case)) is True

    def truth(self, known: Known) -> Truth:
        """Whether it holds on these facts; None where others are needed to tell."""
        return self._statement.truth(known)

    @functools.cached_property
    def conjuncts(self) -> tuple[Statement, ...]:
        """The statements that all have to hold."""
        return tuple(_conjuncts(self._statement))

    def constants(self, name: str) -> tuple[Any, ...]:
        """What the fact is compared with, or its pair; for remainders, the modulus and a multiple of it."""
        pair = PAIRS.get(name.rpartition("_")[0] or name, "")
        found: list[Any] = []
        for term, other in self._statement.terms():
            if other.name or term.name not in (name, pair, name.rpartition("_")[0]) or not term.name:
                continue
            values = other.value if isinstance(other.value, tuple) else (other.value,)
            found += [term.modulus, 2 * term.modulus, 3 * term.modulus] if term.modulus else values
        return tuple(dict.fromkeys(found))


EVERYTHING = Claim()


def names_in(statement: Statement) -> frozenset[str]:
    """The facts and arguments that a statement speaks of."""
    return frozenset(term.name for term, _ in statement.terms() if term.name)


def _conjuncts(statement: Statement) -> Iterator[Statement]:
    if isinstance(statement, Joined) and not (statement.either or statement.negated):
        for part in statement.parts:
            yield from _conjuncts(part)
    else:
        yield statement


def _both(value: Any) -> tuple[Any, Any]:
    return value if isinstance(value, tuple) else (value, value)


def _all(truths: Iterable[Truth]) -> Truth:
    found: Truth = True
    for truth in truths:
        if truth is False:
            return False
        found = None if truth is None else found
    return found


def _not(truth: Truth) -> Truth:
    return None if truth is None else not truth


# Reading.


def _parse(text: str) -> Statement:
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f" at {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
        raise ClaimError(
            f"{text!r} cannot be read{where}: accepted are comparisons such as kernel_size == 3, joined by and, or, not"
        ) from None
    try:
        return _statement(tree.body)
    except RecursionError:
        raise ClaimError("the statement is nested too deeply") from None


def _statement(node: ast.expr) -> Statement:
    match node:
        case ast.BoolOp(op=op, values=values):
            return Joined(tuple(map(_statement, values)), either=isinstance(op, ast.Or))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return Joined((_statement(operand),), negated=True)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            pairs = zip(ops, [left, *comparators[:-1]], comparators, strict=True)
            found = tuple(_comparison(op, one, other) for op, one, other in pairs)
            return found[0] if len(found) == 1 else Joined(found)
        case ast.Name() | ast.BinOp():
            term = _term(node)
            if term.modulus:
                return Comparison(term, operator.ne, Term(value=0))  # as one says: channels % 4
            if not isinstance(FACTS.get(term.name), bool):
                raise ClaimError(f"{term.name} is not true or false: compare it, as in {term.name} == ...")
            return Comparison(term, operator.eq, Term(value=True))
    raise ClaimError(f"{ast.unparse(node)!r} is no statement: accepted are comparisons joined by and, or, not")


def _comparison(op: ast.cmpop, left: ast.expr, right: ast.expr) -> Statement:
    if isinstance(op, ast.In | ast.NotIn):
        if not isinstance(right, ast.Tuple | ast.List | ast.Set):
            raise ClaimError(f"in {ast.unparse(right)}: accepted is a list in parentheses, such as (1, 2)")
        each = tuple(_checked(_term(left), operator.eq, _term(one)) for one in right.elts)
        return Joined(each, either=True, negated=isinstance(op, ast.NotIn))
    if type(op) not in COMPARED:
        raise ClaimError("accepted comparisons are ==, !=, <, <=, >, >=, in, not in")
    return _checked(_term(left), COMPARED[type(op)], _term(right))


def _term(node: ast.expr) -> Term:
    match node:
        case ast.Name(id=name):
            if name not in NAMES:
                near = difflib.get_close_matches(name, NAMES, 1)
                hint = f"; did you mean {near[0]}?" if near else f": accepted are {', '.join(NAMES)}"
                raise ClaimError(f"{name!r} is no argument or fact of a case{hint}")
            return Term(name)
        case ast.Constant(value=None | bool() | int() | str() as value):
            return Term(value="linear" if value is None else value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as value)):
            return Term(value=-value)
        case ast.Tuple(elts=[one, other]) | ast.List(elts=[one, other]):
            return Term(value=(_term(one).value, _term(other).value))
        case ast.BinOp(left=ast.Name(), op=ast.Mod(), right=ast.Constant(value=int() as modulus)) if modulus > 0:
            term = _term(node.left)
            if isinstance(FACTS.get(term.name), int) and not isinstance(FACTS[term.name], bool):
                return Term(term.name, modulus=modulus)
    raise ClaimError(f"{ast.unparse(node)!r} is no term: accepted are names, numbers, text, pairs and name % number")


def _checked(left: Term, compare: Callable[[Any, Any], bool], right: Term) -> Comparison:
    """The comparison, if its terms are of one kind: a misspelt value would exclude everything in silence."""
    for term, other in ((left, right), (right, left)):
        if term.name and not other.name:
            _check_value(term.name, other.value)
    kinds = {_kind(term) for term in (left, right)} - {"pair"}
    if len(kinds) > 1 or (compare in ORDERED and kinds - {"int"}):
        raise ClaimError(f"{_told(left)} and {_told(right)} cannot be compared so")
    return Comparison(left, compare, right)


def _check_value(name: str, value: Any) -> None:
    accepted = CHOICES.get(name)
    if accepted is not None and value not in accepted:
        raise ClaimError(f"{name} is compared with {value!r}: accepted are {', '.join(map(repr, accepted))}")
    if isinstance(value, tuple) and name not in STEMS:
        raise ClaimError(f"{name} is compared with the pair {value!r}: accepted is one value")
    if name in STEMS and not all(type(one) is int for one in _both(value)):
        raise ClaimError(f"{name} is compared with {value!r}: accepted are a number and a pair of numbers")


def _kind(term: Term) -> str:
    value = term.value if not term.name else FACTS.get(term.name, (0, 0))
    return "pair" if isinstance(value, tuple) else type(value).__name__


def _told(term: Term) -> str:
    return term.name or repr(term.value)
