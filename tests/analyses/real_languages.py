"""A run of real languages with known truth: XLM-R on XNLI, UDPOS and BUCC, with and without an intermediate."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analyses.questions.covariates import kinship_of
from analyses.similarity import language_distances, pretraining_sizes
from simxfer.schema.tables import RESULTS, validate

ENCODER = "FacebookAI/xlm-roberta-large"
CODES = {
    "xnli": "en ar bg de el es fr hi ru sw th tr ur vi zh",
    "udpos": "en af ar bg de el es et eu fa fi fr he hi hu id it ja ko mr nl pt ru ta te tr ur vi zh",
    "bucc2018": "de fr ru zh",
}
LANGUAGES = {target: codes.split() for target, codes in CODES.items()}
METRIC = {"xnli": "accuracy", "udpos": "tag_f1", "bucc2018": "mining_f1"}
INTERMEDIATES = ("none", "mnli", "squad_v1", "hellaswag")
TOP = 88.0


@dataclass(frozen=True)
class Truth:
    """Points a doubling of pretraining text, a unit of syntactic distance; gain of squad_v1 in Swahili."""

    size: float = 0.0
    syntactic: float = 0.0
    swahili: float = 0.0


def real_results(truth: Truth, seeds: int = 1, draw: int = 0, intermediates=("none",)) -> pd.DataFrame:
    """A results table: kin are alike beside what is planted."""
    rng = np.random.default_rng(draw)
    rows = []
    for target, languages in LANGUAGES.items():
        abroad = [code for code in languages if code != "en"]
        expected = dict(zip(abroad, TOP - 20 + _planted(abroad, truth, rng), strict=True)) | {"en": TOP}
        for seed in range(seeds):
            for intermediate in intermediates:
                noise = rng.normal(0, 0.3, len(languages))
                for language, error in zip(languages, noise, strict=True):
                    swahili = language == "sw" and intermediate == "squad_v1"
                    value = expected[language] + error + truth.swahili * swahili
                    rows.append(_row(target, language, seed, intermediate, value))
    return validate(pd.DataFrame(rows), RESULTS)


def _planted(languages: list[str], truth: Truth, rng: np.random.Generator) -> np.ndarray:
    sizes = np.log2(pretraining_sizes(ENCODER, languages).to_numpy())
    rows = language_distances(["en", *languages], ["syntactic"])
    distances = rows[rows["a"] == "en"].set_index("b").loc[languages, "distance"].to_numpy()
    kin = np.linalg.cholesky(kinship_of(languages).to_numpy() + 1e-9 * np.eye(len(languages)))
    own = kin @ rng.normal(0, 0.7, len(languages)) + rng.normal(0, 0.7, len(languages))
    return truth.size * (sizes - 4) - truth.syntactic * (distances - 0.5) + own


def _row(target, language, seed, intermediate, value):
    return {
        "run": "real", "model": ENCODER, "checkpoint": ENCODER, "method": "full", "intermediate": intermediate,
        "target": target, "language": language, "split": "test", "perturbation": "clean", "selection": "last",
        "seed": seed, "metric": METRIC[target], "value": float(np.clip(value, 0, 100)), "n_examples": 500,
        "flags": "", "stage": f"{intermediate}-{target}-{seed}",
    }  # fmt: skip


def write_real_run(directory: Path, results: pd.DataFrame, fertility=None) -> Path:
    """Write a run directory; `fertility` is subwords a word by language, of XNLI's test texts."""
    directory.mkdir(parents=True, exist_ok=True)
    results.to_parquet(directory / "results.parquet")
    (directory / "grid.json").write_text(json.dumps({"name": "real", "pivot": "en"}))
    if fertility:
        rows = [
            {"checkpoint": ENCODER, "task": "xnli", "language": language, "split": "test", "piece": "a",
             "count": round(100 * value), "words": 100}
            for language, value in fertility.items()
        ]  # fmt: skip
        (directory / "samples").mkdir(exist_ok=True)
        pd.DataFrame(rows).to_parquet(directory / "samples" / "subwords.parquet")
    return directory
