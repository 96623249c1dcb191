"""Files to score, and the scores of a table."""

import json
from pathlib import Path

import pandas as pd

_SQUAD = {
    "data": [{"paragraphs": [{"qas": [{"id": f"q{i}", "answers": [{"text": "one"}]} for i in range(3)]}]}]
}
RIGHT = {f"q{i}": "one" for i in range(3)}


def squad(**answers: object) -> str:
    """SQuAD's JSON with three questions; a list of answers or an id may be replaced."""
    text = json.loads(json.dumps(_SQUAD))
    for i, qa in enumerate(text["data"][0]["paragraphs"][0]["qas"]):
        qa |= answers.get(f"q{i}", {})
    return json.dumps(text)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def value(scores: pd.DataFrame, metric: str) -> float:
    [found] = scores.loc[scores["metric"] == metric, "value"]
    return float(found)
