"""Scores as text and JSON, and the warnings that they deserve."""

import json

import pandas as pd

SHOWN = "{:.4f}".format


def scores_text(scores: pd.DataFrame, averaged: pd.DataFrame) -> str:
    """Return the scores as a table, and below it the averages, if there are any."""
    parts = [scores.to_string(index=False, float_format=SHOWN)]
    if not averaged.empty:
        parts.append("averages (over languages; groups and `all` over tasks, where none is missing)")
        parts.append(averaged.to_string(index=False, float_format=SHOWN, na_rep="-"))
    return "\n\n".join(parts)


def scores_json(scores: pd.DataFrame, averaged: pd.DataFrame) -> str:
    """Return {"scores": [...], "averages": [...]}, one object a row; an average that does not exist is null."""
    tables = {"scores": scores, "averages": averaged}
    rows = {
        name: table.astype(object).where(table.notna(), None).to_dict("records")
        for name, table in tables.items()
    }
    return json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False)


def score_warnings(scores: pd.DataFrame) -> list[str]:
    """Return a line for every metric of a task and its flags, with the languages that they are about."""
    flagged = scores[scores["flags"] != ""]
    lines = []
    for (task, metric, flags), rows in flagged.groupby(["task", "metric", "flags"], sort=False):
        low, high = rows["value"].min(), rows["value"].max()
        values = f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}"
        languages = ", ".join(rows["language"])
        lines.append(f"warning: {task} {metric} {values} in {languages}: " + str(flags).replace(";", ", "))
    return lines
