"""Make seqeval_tag_runs.json: chunk scores of random bare tags under seqeval 0.0.12.

Run in an environment of its own, outside the project's:

    python3 -m venv v && v/bin/pip install numpy && v/bin/pip install --no-deps seqeval==0.0.12
    v/bin/python tests/reference/metrics/seqeval_tag_runs.py > tests/reference/metrics/seqeval_tag_runs.json

seqeval 0.0.12 is what XTREME's requirements pin; its package imports keras for a callback that is not used
here, so the module of the metrics is loaded by itself.
"""

import importlib.util
import json
import random
import sys
from pathlib import Path

UPOS = ["ADJ", "ADP", "AUX", "CCONJ", "INTJ", "NOUN", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"]
ODD = ["O", "B-A", "I-A", "E-A", "S-A", "I-B", "B-B", "E", "S", "B", "I", ".", "OTHER", "A-B-A", "O-A", "?"]


def load():
    [folder] = [p for p in map(Path, sys.path) if (p / "seqeval").is_dir()]
    path = folder / "seqeval" / "metrics" / "sequence_labeling.py"
    spec = importlib.util.spec_from_file_location("sequence_labeling", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sentences(rng, tags, n):
    """Gold and predicted tags: few distinct ones, so that neighbours are often equal."""
    gold, predicted = [], []
    for _ in range(n):
        few = rng.sample(tags, 4)
        gold.append([rng.choice(few) for _ in range(rng.randint(1, 12))])
        predicted.append([g if rng.random() < 0.7 else rng.choice(few) for g in gold[-1]])
    return gold, predicted


def main():
    seqeval, rng, cases = load(), random.Random(0), []
    for case in range(40):
        gold, predicted = sentences(rng, UPOS if case % 2 else ODD, rng.randint(1, 6))
        scores = [
            f(gold, predicted) for f in (seqeval.f1_score, seqeval.precision_score, seqeval.recall_score)
        ]
        first = sorted((kind, start, end + 1) for kind, start, end in set(seqeval.get_entities(gold[0])))
        f1, precision, recall = scores
        cases.append(
            {
                "gold": [" ".join(tags) for tags in gold],
                "predicted": [" ".join(tags) for tags in predicted],
                "f1": f1,
                "precision": precision,
                "recall": recall,
                "chunks_of_first": first,
            }
        )
    lines = ",\n".join(json.dumps(case) for case in cases)
    print(f'{{"seqeval": "0.0.12", "cases": [\n{lines}\n]}}')


main()
