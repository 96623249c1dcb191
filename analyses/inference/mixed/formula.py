"""lme4's formula language, the part that crossed random effects need.

    gain ~ similarity * method + (1 | intermediate) + (1 + similarity | target) + (1 | family/language)

Fixed part: column names joined by `+`, `a:b`, `a*b` (`a:b*c` is a:b + c + a:b:c), `0` or `-1` for no intercept.
Columns that are not numeric are treatment-coded against their first level, or have a column for every level where
the product without them is not in the model (R's rule, in the fixed part and in every random-effects term).
Random part: `(columns | group)` with correlated columns, `(columns || group)` with independent ones; groups `g`,
`a:b` (combinations), `a/b` (= a and a:b). In place of a column: `log(x)`, `log2(x)`, `log10(x)`, `log1p(x)`,
`exp(x)`, `sqrt(x)`, `I(x^2)`, `factor(x)`.

A name is letters of any script, digits, `_` and `.`; any other one stands in backticks, as in R:
`typological distance`, `source-task`. Terms are called by the name itself, which keeps its backticks only where
it holds a colon, or is 1.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pandas as pd

from analyses.inference.checks import (
    full_rank,
    numbers,
    require_columns,
    require_labelled,
    require_no_number_text,
)
from analyses.inference.mixed.fit import Term
from simxfer.common.errors import InputError, unknown

INTERCEPT = "intercept"
_COLUMN = r"(?:[^\W\d]|\.)[\w.]*"
_FUNCTIONS: dict[str, np.ufunc] = {
    f.__name__: f for f in (np.log, np.log2, np.log10, np.log1p, np.exp, np.sqrt)
}
_CALL = re.compile(rf"({'|'.join(_FUNCTIONS)}|I|factor(?!.*\^))\((`[^`]+`|{_COLUMN})(?:\^(\d+))?\)")
_NAME = rf"(?:{_CALL.pattern}|{_COLUMN})"
_SUM = r"((?:[^()|]|\([^()|]*\))+)"
_BAR = re.compile(rf"\({_SUM}(\|\|?){_SUM}\)")
_WORD = re.compile("\u02cb([0-9a-f]+)\u02cb")
"""A name in backticks while a formula is read: a letter on both sides of its bytes, so that it is one word."""


@dataclass(frozen=True)
class Bar:
    """One random-effects term: its columns ("1" is the intercept) and the columns that make up its group.

    Names as the formula writes them: `factors_of` takes products apart, `column_of` takes off backticks.
    """

    columns: tuple[str, ...]
    group: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the group, `a:b` for combinations."""
        return ":".join(self.group)

    def factors(self) -> list[str]:
        """Return the names in its columns."""
        return [name for product in self.columns for name in factors_of(product)]


@dataclass(frozen=True)
class Formula:
    """A parsed formula; `fixed` are products of columns, `("1",)` is the intercept."""

    outcome: str
    fixed: tuple[tuple[str, ...], ...]
    bars: tuple[Bar, ...]

    def columns(self) -> list[str]:
        """Return every column that the right side names, each once."""
        named = [name for product in self.fixed for name in product]
        named += [name for bar in self.bars for name in (*bar.factors(), *bar.group)]
        return _columns_of(named)

    def regressors(self) -> list[str]:
        """Return every column of the fixed part and of random slopes, each once."""
        named = [name for product in self.fixed for name in product]
        return _columns_of(named + [name for bar in self.bars for name in bar.factors()])


def _columns_of(names: list[str]) -> list[str]:
    return list(dict.fromkeys(column_of(name) for name in names if name != "1"))


def factors_of(product: str) -> tuple[str, ...]:
    """Return the names whose product is written a:b."""
    return tuple(re.findall(r"(?:`[^`]*`|[^:`])+", product))


def column_of(name: str) -> str:
    """Return the column that a name in a formula stands for."""
    return name.strip("`")


def parse(text: str) -> Formula:
    """Parse a formula.

    Raises:
        InputError: no outcome, no random-effects term, or something that the language does not have.
    """
    # A quoted name may hold + : | or blanks: as hexadecimal digits it is one word to all that follows.
    words = re.sub("`([^`]+)`", lambda m: f"\u02cb{m[1].encode().hex()}\u02cb", text)
    # Told before it is cut at its hyphens, so that the message shows the whole name.
    if hyphened := re.search(rf"{_COLUMN}(?:-{_COLUMN})+", words):
        raise InputError(_unreadable(hyphened[0]))
    outcome, tilde, right = _calls_without_spaces(words).partition("~")
    if not tilde or not outcome.strip():
        raise InputError(f"formula {text!r}: expected `outcome ~ regressors + (1 | group)`")
    bars = [bar for match in _BAR.finditer(right) for bar in _bars(*match.groups())]
    if not bars:
        raise InputError(
            f"formula {text!r} has no random-effects term; expected one such as (1 | intermediate)"
        )
    return Formula(column_of(_checked(outcome)), _products(_BAR.sub("", right)), tuple(bars))


def _calls_without_spaces(text: str) -> str:
    """Write I(x ** 2) as I(x^2) and log( x ) as log(x), so that a call is one word."""
    call = re.compile(r"\b(\w+)\(([^()|~]*)\)")
    return call.sub(lambda m: f"{m[1]}({re.sub(r'[*][*]', '^', m[2]).replace(' ', '')})", text)


def with_calls(data: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return the data with a column for every call among the names, such as `log(size)`, that they lack.

    Raises:
        InputError: an unknown column, one that is not numeric, or values that the function does not take.
    """
    lacking = [name for name in names if name not in data.columns]
    made = {name: _called(data, *match.groups()) for name in lacking if (match := _CALL.fullmatch(name))}
    return data.assign(**made) if made else data


def _called(data: pd.DataFrame, function: str, column: str, power: str | None) -> np.ndarray:
    column = column_of(column)
    require_columns(data, [column])
    if function == "factor":
        return data[column].to_numpy(dtype=object)
    x = numbers(data, column) ** int(power or 1)
    with np.errstate(all="ignore"):
        y = x if function == "I" else _FUNCTIONS[function](x)
    # Missing values stay missing and drop their rows; a log of 0 is a fault that dropping would hide.
    if (np.isnan(x) != ~np.isfinite(y)).any():
        raise InputError(f"{function}({column}) is not finite everywhere; drop the rows where it is not")
    return y


def _bars(columns: str, bar: str, group: str) -> list[Bar]:
    """Return the terms of one `( | )`: more than one for nested groups and for `||`."""
    names = [":".join(product) for product in _products(columns)]
    if not names:
        raise InputError(
            f"({columns}{bar}{group}) has no column; expected at least the intercept, (1 | group)"
        )
    groups = [_group(group)] if "/" not in group else _nested(group)
    sets = [(name,) for name in names] if bar == "||" else [tuple(names)]
    return [Bar(chosen, one) for one in groups for chosen in sets]


def _nested(group: str) -> list[tuple[str, ...]]:
    """Return a, a:b, a:b:c of a/b/c."""
    names = _group(group.replace("/", ":"))
    return [names[: i + 1] for i in range(len(names))]


def _group(text: str) -> tuple[str, ...]:
    return tuple(_checked(part) for part in text.split(":"))


def _products(text: str) -> tuple[tuple[str, ...], ...]:
    """Return the products of a sum, the intercept first unless 0 or -1 takes it out; each once, as in R."""
    found: list[tuple[str, ...]] = []
    intercept = True
    for part in (p.strip() for p in text.replace("-", "+-").split("+")):
        if part in ("0", "-1", "- 1"):
            intercept = False
        elif part not in ("", "1"):
            found += _crossed([tuple(map(_checked, product.split(":"))) for product in part.split("*")])
    # a:b and b:a are one product, named as it stands first.
    once: dict[frozenset[str], tuple[str, ...]] = {}
    for product in found:
        once.setdefault(frozenset(product), product)
    return (*([("1",)] if intercept else []), *once.values())


def _crossed(operands: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the products that a*b*c stands for, main effects first; an operand may be a product itself."""
    chosen = [
        [one for i, one in enumerate(operands) if mask >> i & 1] for mask in range(1, 2 ** len(operands))
    ]
    products = [tuple(dict.fromkeys(name for one in some for name in one)) for some in chosen]
    return sorted(products, key=len)


def _checked(word: str) -> str:
    """Return a name as the formula writes it, backticks only where they are needed to tell it apart."""
    word = word.strip()
    if not re.fullmatch(_NAME, word):
        raise InputError(_unreadable(word))
    if call := _CALL.fullmatch(word):
        return _WORD.sub(lambda m: f"`{_decoded(m)}`", call[0])
    name = _WORD.sub(_decoded, word)
    return f"`{name}`" if ":" in name or name == "1" else name


def _decoded(word: re.Match) -> str:
    return bytes.fromhex(word[1]).decode()


def _unreadable(text: str) -> str:
    """Say what a formula may hold, and how a column of that name would be written."""
    got = _WORD.sub(_decoded, text)
    name = got.replace("`", "").strip("- ")
    return (
        f"cannot read {got!r} in the formula; expected column names with + : * and (... | group), log(x), I(x^2), "
        f"factor(x). A column of that name stands in backticks: `{name}`; compute another transformation as a "
        "column first"
    )


def fixed_design(frame: pd.DataFrame, formula: Formula) -> tuple[np.ndarray, list[str]]:
    """Return the fixed-effects matrix (n, p) and the names of its columns.

    Raises:
        InputError: no fixed effect, or collinear columns.
    """
    X, names = _design(frame, formula.fixed)
    if not names:
        raise InputError("the formula has no fixed effect; keep at least the intercept")
    if not full_rank(X):
        raise InputError(f"the fixed effects {names} are collinear or constant; drop one of them")
    return X, names


def _design(frame: pd.DataFrame, products: Sequence[tuple[str, ...]]) -> tuple[np.ndarray, list[str]]:
    """Return the columns of a sum of products, (n, p), and their names; factors coded by R's rule."""
    present = {frozenset(product) for product in products}
    if ("1",) in products:
        present.add(frozenset())
    blocks, names = [np.zeros((len(frame), 0))], []
    for product in products:
        categorical = {name for name in product if name != "1" and not is_numeric(frame, name)}
        every = frozenset(name for name in categorical if frozenset(product) - {name} not in present)
        block, labels = _product_columns(frame, product, every)
        if every == frozenset(product):  # the levels of a factor add up to an intercept
            present.add(frozenset())
        blocks.append(block)
        names += labels
    return np.hstack(blocks), names


def _product_columns(
    frame: pd.DataFrame, product: tuple[str, ...], every_level: frozenset[str]
) -> tuple[np.ndarray, list[str]]:
    """Return the columns of one product and their names; `every_level`: factors coded without a first level."""
    block, labels = np.ones((len(frame), 1)), [""]
    for name in product:
        columns, own = _coded(frame, name, name in every_level)
        block = (block[:, :, None] * columns[:, None, :]).reshape(len(frame), -1)
        labels = [f"{a}:{b}" if a else b for a in labels for b in own]
    return block, labels


def _coded(frame: pd.DataFrame, name: str, every_level: bool) -> tuple[np.ndarray, list[str]]:
    """Return a numeric column as it is, any other one as dummies of its levels but the first."""
    if name == "1":
        return np.ones((len(frame), 1)), [INTERCEPT]
    if is_numeric(frame, name):
        return numbers(frame, column_of(name))[:, None], [name]
    if not _CALL.fullmatch(name):
        require_no_number_text(frame, column_of(name))
    # Sorted, as R sorts them: the first level is the reference whatever the order of the rows.
    codes, levels = pd.factorize(frame[column_of(name)], sort=True)
    first = 0 if every_level else 1
    return np.eye(len(levels))[codes][:, first:], [f"{name}[{level}]" for level in levels[first:]]


def is_numeric(frame: pd.DataFrame, name: str) -> bool:
    """Return whether a column enters as it is; one of truth values has levels."""
    column = frame[column_of(name)]
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def random_terms(
    frame: pd.DataFrame, formula: Formula, covariances: Mapping[str, pd.DataFrame]
) -> tuple[Term, ...]:
    """Return the random-effects terms.

    Raises:
        InputError: a group with one level, or with as many levels as rows under a random intercept; a
            covariance of a group that the formula does not have, or without some of its levels.
    """
    for name in covariances:
        if name not in {bar.name for bar in formula.bars}:
            raise InputError(unknown("group in covariances", name, [bar.name for bar in formula.bars]))
    return tuple(_term(frame, bar, covariances.get(bar.name)) for bar in formula.bars)


def _term(frame: pd.DataFrame, bar: Bar, covariance: pd.DataFrame | None) -> Term:
    codes, levels = pd.factorize(_joined(frame, bar.group), sort=True)
    # One level is the intercept, one a row the residual: neither has a variance of its own.
    if len(levels) < 2 or len(levels) >= len(frame):
        raise InputError(
            f"group {bar.name!r} has {len(levels)} levels in {len(frame)} rows; expected at least two, "
            "and fewer than rows (otherwise it cannot be told from the residual): drop the term, or do "
            "not average so far"
        )
    design, names = _design(frame, [factors_of(product) for product in bar.columns])
    columns = tuple("1" if name == INTERCEPT else name for name in names)
    factor = None if covariance is None else _factor(known_covariance(covariance, list(levels), bar.name))
    return Term(bar.name, columns, codes, design, tuple(levels), factor)


def _joined(frame: pd.DataFrame, group: tuple[str, ...]) -> pd.Series:
    """Return the level of every row, a:b of combinations; a label that holds a colon is in backticks there."""
    parts = []
    for name in group:
        codes, values = pd.factorize(frame[column_of(name)])
        labels = labels_of(values)
        if len(group) > 1:
            labels = [f"`{label}`" if ":" in label else label for label in labels]
        parts.append(pd.Series(np.array(labels, dtype=object)[codes]))
    return reduce(lambda a, b: a + ":" + b, parts)


def labels_of(values: Iterable) -> list[str]:
    """Return the names of levels: whole numbers without decimals, which a merge with missing rows adds."""
    return [str(int(v)) if isinstance(v, float | np.floating) and v.is_integer() else str(v) for v in values]


def known_covariance(covariance: pd.DataFrame, levels: list[str], group: str) -> np.ndarray:
    """Return the covariance of these levels, (m, m).

    Raises:
        InputError: a level that it lacks or has twice; not finite, symmetric and positive semidefinite.
    """
    require_labelled(f"the covariance of {group!r}", covariance)
    known = covariance.set_axis(labels_of(covariance.index)).set_axis(labels_of(covariance.columns), axis=1)
    lacking = [level for level in levels if level not in known.index or level not in known.columns]
    if lacking:
        raise InputError(f"the covariance of {group!r} lacks the levels {lacking}; expected all on both axes")
    K = known.loc[levels, levels].to_numpy(dtype=float)
    if not np.isfinite(K).all() or not np.allclose(K, K.T, atol=1e-8 * np.abs(K).max()):
        raise InputError(f"the covariance of {group!r} must be finite and symmetric")
    values = np.linalg.eigvalsh(K)
    # Kinship rounded to some digits is a little indefinite.
    if values.min() < -1e-8 * values.max():
        raise InputError(f"the covariance of {group!r} has a negative eigenvalue; expected none")
    return K


def _factor(K: np.ndarray) -> np.ndarray:
    """Return F with F F' = K; it may be singular."""
    values, vectors = np.linalg.eigh(K)
    return vectors * np.sqrt(np.maximum(values, 0.0))
