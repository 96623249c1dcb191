"""Tables for people: one way to write a number by what its column holds."""

import re

import numpy as np
import pandas as pd

from analyses.questions.wording import language

NAMES = {
    "p_max_t": "p (max-T)",
    "p_holm": "p (Holm)",
    "p_bh": "p (BH)",
    "zero_shot": "zero-shot",
    "y_pivot": "pivot score",
    "y_language": "score",
    "y_clean": "clean score",
    "y_perturbed": "perturbed score",
    "words_changed_percent": "words changed, %",
    "answers_hit": "questions left clean",
    "n_stages": "models",
    "n_languages": "languages",
    "n_replicates": "replicates",
    "n_encoders": "encoders",
    "n_scores": "scores",
    "n_expected": "expected",
    "missing_languages": "missing languages",
}
"""Headings of columns whose names are not words."""


def file_name(*parts: str) -> str:
    """Return a file name made of words: `gains--zero-shot-and-pivot-gains-points`."""
    return "--".join(re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-") for part in parts)


def heading(column: str) -> str:
    """Return the heading of a column."""
    return NAMES.get(column, column.removeprefix("n_").replace("_", " "))


def written(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table as text: floats with digits by the column's size, languages with their names, missing a dash."""
    columns = {heading(str(name)): _written(table[name], str(name)) for name in table.columns}
    return pd.DataFrame(columns, index=table.index)


def tests_only(table: pd.DataFrame) -> pd.DataFrame:
    """Return what people read of a table of tests: term, estimate, interval, p, and n of every grouping."""
    wanted = ["test", "term", "estimate", "low", "high", "p"]
    groups = [name for name in table if str(name).startswith("n_")]
    return table[[*wanted, *groups]].astype(dict.fromkeys(groups, "Int64"))


def is_number(column: pd.Series) -> bool:
    """Tell whether a column is set flush right."""
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def to_tex(table: pd.DataFrame, caption: str) -> str:
    """Return a LaTeX table (booktabs)."""
    side = "".join("r" if is_number(table[name]) else "l" for name in table.columns)
    # pandas escapes the cells and not the caption.
    return written(table).to_latex(index=False, escape=True, caption=_escaped(caption), column_format=side)


def _escaped(text: str) -> str:
    return re.sub(r"([&%$#_{}])", r"\\\1", text)


def to_markdown(table: pd.DataFrame) -> str:
    """Return a Markdown table."""
    texts = written(table)
    rule = ["---:" if is_number(table[name]) else "---" for name in table.columns]
    rows = [list(texts.columns), rule, *texts.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows)


def _written(column: pd.Series, name: str) -> list[str]:
    if pd.api.types.is_bool_dtype(column):
        return ["—" if pd.isna(value) else "yes" if value else "no" for value in column]
    if name == "language":
        return [language(code) for code in column.astype(str)]
    if not is_number(column):
        return ["—" if pd.isna(value) else str(value) for value in column]
    if pd.api.types.is_integer_dtype(column):
        return ["—" if pd.isna(value) else f"{value:,}" for value in column]
    return [_number(value, name, _digits(column)) for value in column.astype(float)]


def _digits(column: pd.Series) -> int:
    largest = float(np.nanmax(np.abs(column.to_numpy(float)), initial=0.0))
    return 1 if largest >= 10 else 2


def _number(value: float, name: str, digits: int) -> str:
    if np.isnan(value):
        return "—"
    if name == "p" or name.startswith("p_"):
        return "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0") if value < 1 else "1"
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")
