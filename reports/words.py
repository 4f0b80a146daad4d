"""The words and symbols of the page, and how text that may hold anything is shown."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass

from depthwise_conformance.reports.record import Verdict


@dataclass(frozen=True)
class Meaning:
    """How a verdict is shown: symbol and label besides the colour of its tone; `phrase` makes titles of {thing}."""

    symbol: str
    tone: str
    label: str
    sentence: str
    phrase: str = ""


def _fault(label: str, phrase: str, sentence: str) -> Meaning:
    return Meaning("✗", "fail", label, sentence, phrase)


MEANINGS = {
    Verdict.PASS: Meaning(
        "✓", "pass", "pass", "What came back is what the documentation says, within the error bound."
    ),
    Verdict.IMPRECISE: Meaning(
        "≈",
        "warn",
        "imprecise",
        "Outside the error bound of the declared arithmetic, but inside that of a narrower one, which is named.",
        "computes the {thing} in a narrower arithmetic than declared",
    ),
    Verdict.WRONG_VALUE: _fault(
        "wrong value",
        "computes a wrong {thing}",
        "Outside the error bound of every arithmetic considered: not a matter of rounding.",
    ),
    Verdict.WRONG_SHAPE: _fault(
        "wrong shape", "returns the {thing} in a wrong shape", "The shape is not the one the documentation gives."
    ),
    Verdict.WRONG_DTYPE: _fault(
        "wrong dtype", "returns the {thing} in a wrong dtype", "The dtype is not the one that was asked for."
    ),
    Verdict.BAD_RETURN: _fault(
        "bad return",
        "returns what is no {thing}",
        "What came back is not what an adapter has to return: no array, or one of objects; no sizes.",
    ),
    Verdict.WRONG_SPECIAL: _fault(
        "wrong special",
        "treats special values wrongly in the {thing}",
        "With NaN, infinities or extreme numbers in the data, what arithmetic settles comes out otherwise.",
    ),
    Verdict.NOT_DETERMINISTIC: _fault(
        "not deterministic",
        "does not repeat the {thing} bit for bit",
        "The same call on the same arrays gave different results.",
    ),
    Verdict.IMPURE: _fault(
        "impure", "has side effects", "The call changed its arguments, or what a second call returns."
    ),
    Verdict.ERROR_MISSING: _fault(
        "missing error",
        "accepts what the documentation refuses",
        "The documentation refuses these arguments; the target took them.",
    ),
    Verdict.ERROR_WRONG: _fault(
        "wrong error",
        "refuses, but not as documented",
        "The arguments were refused, as they should be, but not with the error that is documented.",
    ),
    Verdict.REFUSED: _fault(
        "refused",
        "refuses a valid case ({thing})",
        "An error was raised on a valid case that the target claims to support.",
    ),
    Verdict.UNSUPPORTED: Meaning(
        "○", "none", "unsupported", "The adapter says that the target does not claim this. Counted, never as a pass."
    ),
    Verdict.CRASHED: _fault(
        "crashed", "crashes ({thing})", "The target's process died. A new one was started and the run went on."
    ),
    Verdict.TIMED_OUT: _fault(
        "timed out", "does not finish ({thing})", "The target exceeded its time limit and was stopped."
    ),
    Verdict.BROKEN: Meaning(
        "!", "broken", "broken", "The target's process could not start: the environment's fault, not the framework's."
    ),
}

GARBAGE = _fault(  # of an imprecise result that is none, whatever explains it
    "garbage",
    "gives garbage for the {thing}",
    "Not finite where a number was expected, or far beyond all that went in, though a narrower arithmetic may do so.",
)

CHECKS = {
    "output": ("output", "Every element of the layer's output is within its own error bound."),
    "shape": ("output", "The output has the documented shape."),
    "dtype": ("output", "The output has the dtype that was asked for."),
    "gradient_input": ("gradient of the input", "Every element of the gradient of the input is within its bound."),
    "gradient_kernel": ("gradient of the kernel", "Every element of the gradient of the kernel is within its bound."),
    "gradient_bias": ("gradient of the bias", "Every element of the gradient of the bias is within its bound."),
    "special_values": (
        "output",
        "NaN, infinities and overflow come out as IEEE 754 settles; what it leaves open is recorded, not judged.",
    ),
    "metamorphic": (
        "output of a related call",
        "The target's own answers agree with one another: split batches, permuted channels, swapped axes, and so on.",
    ),
    "shape_inference": ("inferred output shape", "The shape foretold without computing is the shape computed."),
    "determinism": ("output", "The same call on the same arrays gives the same bits."),
    "purity": ("output", "The arguments are left untouched, and a second call gives the same."),
    "memory": (
        "output or gradient of arrays that are not contiguous",
        "Arrays with the same numbers, laid out otherwise in memory, give the same.",
    ),
    "errors": (
        "call",
        "Arguments that the documentation refuses are refused, with the documented error; nonsense raises something.",
    ),
    "defaults": (
        "layer by default",
        "What is left out is as documented, `data_format` as the Keras configuration says.",
    ),
    "arguments": ("layer", "Every argument does what it says, however it is spelled, alone and with others."),
    "initializers": ("initial weight", "Shape, dtype, range and distribution are those of the initializer."),
    "regularizers": ("penalty", "Regularizers add the documented loss, and its gradient to the right weight."),
    "constraints": ("projected weight", "Constraints are applied to weights after an optimizer has updated them."),
    "config_roundtrip": ("recreated layer", "A layer made from the configuration of another does what that does."),
    "save_load": ("loaded layer", "A layer that was saved and loaded again does what it did."),
    "training": ("trained weight", "A compiled step of training moves the weights as the gradients say."),
}

_UNUSUAL = re.compile(r"[^\n\t -~]")
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def title(check: str, verdict: Verdict) -> str:
    """What is wrong, in words that follow the target's name."""
    return phrase(check, MEANINGS[verdict])


def phrase(check: str, meaning: Meaning) -> str:
    """The same of a meaning."""
    return meaning.phrase.format(thing=CHECKS[check][0] if check in CHECKS else spaced(check))


def spaced(name: str) -> str:
    """A name as words."""
    return name.replace("_", " ")


def visible(text: str) -> str:
    """The text with everything that a reader cannot see (controls, bidirectional overrides, ...) made visible."""
    return _UNUSUAL.sub(_mark, text.replace("\r\n", "\n"))


_SAID = {
    "==": "is",
    "!=": "is not",
    ">": "above",
    ">=": "at least",
    "<": "below",
    "<=": "at most",
    "%": "modulo",
    "in": "is one of",
}
_CODE = re.compile(r"\"[^\"]*\"|[=!<>]=|[<>%]|\bin(?= \()|\b[a-z]+(?:_[a-z]+)+\b")


def plain(condition: str) -> str:
    """A condition in words: "stride_height > 1" as "stride height above 1"; what is quoted stays as it is."""

    def said(found: re.Match[str]) -> str:
        return found[0] if '"' in found[0] else _SAID.get(found[0]) or spaced(found[0])

    return _CODE.sub(said, condition)


def by_numbers(text: str) -> tuple[str | int, ...]:
    """What to sort texts by where numbers count as such: 3.8 before 3.12."""
    return tuple(int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", text))


def clip(text: str, limit: int, whole: str) -> str:
    """The text, cut to a limit with a note that says how much is missing and where all of it is."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n[{len(text) - limit:,} more characters: see {whole}]"


def figure(error: float) -> str:
    """An error in units of its bound, short; empty where nothing was measured."""
    if math.isnan(error):
        return ""
    if math.isinf(error):
        return "∞"
    return f"{error:.2f}" if error < 10 else f"{error:,.0f}" if error < 1e6 else f"{error:.1e}"


def measure(value: float) -> str:
    """A quantity of any size in three digits; empty where nothing was measured."""
    return "" if math.isnan(value) else "∞" if math.isinf(value) else f"{value:.3g}"


def share(error: float) -> int:
    """How much of its bound an error takes, in percent, at most 100."""
    return 0 if math.isnan(error) else round(100 * min(error, 1.0))


def duration(seconds: float) -> str:
    """A time span in its two largest units."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: "1 target", "1,200 targets"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _mark(match: re.Match[str]) -> str:
    """Python's escape: its letters are in every font, unlike the pictures of control characters."""
    character = match[0]
    if unicodedata.category(character) not in _INVISIBLE:
        return character
    return ascii(character)[1:-1]
