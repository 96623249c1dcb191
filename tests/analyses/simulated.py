"""A run of the embedded world with known truth, made through the schemas: what a trained grid looks like.

Sizes of effects and of noise are those of the pilot: matched +45 points on unseen nouns, replicate sd 4-9.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from simxfer.schema.tables import RESULTS, validate
from simxfer.tasks.intermediate import tasks_of
from simxfer.tasks.world import WORLD_LANGUAGES
from simxfer.world.languages import languages_table, true_distance

PIVOT = "x-pivot"
DISTANCES = {code: true_distance(code) for code in WORLD_LANGUAGES}
CHANCE = {"w-xnli": 33.0, "w-xqa": 7.0, "w-pos": 18.0, "w-tatoeba": 0.5, "w-is-a": 50.0, "w-is-b": 50.0}
TOP = {"w-xnli": 73.0, "w-xqa": 49.0, "w-pos": 98.0, "w-tatoeba": 95.0, "w-is-a": 99.0, "w-is-b": 99.0}
METRIC = {"w-xqa": "squad_f1", "w-pos": "token_accuracy", "w-tatoeba": "retrieval_accuracy"}
SAME_TASK = {("w-nli", "w-xnli"): 8.0, ("w-qa", "w-xqa"): 25.0}
INTERMEDIATES = (
    "none", "w-nli", "w-qa", "w-roles", "w-cloze", "w-tag-a", "w-tag-b", "w-which-a", "w-which-b", "w-tag-0",
    "w-tag-a>w-tag-a-star", "w-tag-a-star>w-tag-a",
)  # fmt: skip
ATTRIBUTE_SPLITS = ("test", "test/seen", "test/unseen", "test/unseen+same-form", "test/unseen+translated")


def encoders(n: int) -> list[str]:
    """Names of n encoders, alternating between two worlds."""
    return [f"world/w{i % 2}-s{i // 2}" for i in range(n)]


@dataclass(frozen=True)
class Truth:
    """How much of each planted effect is there: 1 as in the pilot, 0 none."""

    knowledge: float = 1.0
    pretraining: float = 1.0
    distance: float = 1.0


def simulated_results(
    n_encoders: int = 6,
    seeds: int = 1,
    truth: Truth = Truth(),
    targets: Iterable[str] = tuple(TOP),
    draw: int = 0,
) -> pd.DataFrame:
    """A results table with planted effects; every encoder has its own quality."""
    rng = np.random.default_rng(draw)
    rows = []
    for checkpoint in encoders(n_encoders):
        quality = rng.normal(0, 3)
        for seed in range(seeds):
            for target in targets:
                attribute = target.startswith("w-is")
                for split in ATTRIBUTE_SPLITS if attribute else ("test",):
                    for intermediate in INTERMEDIATES:
                        rows += _cell(checkpoint, seed, target, split, intermediate, quality, truth, rng)
                    rows += _control(checkpoint, seed, target, split, rng)
    return validate(pd.DataFrame(rows), RESULTS)


def write_run(directory: Path, results: pd.DataFrame) -> Path:
    """Write a run directory with these results."""
    directory.mkdir(parents=True, exist_ok=True)
    results.to_parquet(directory / "results.parquet")
    languages_table().to_parquet(directory / "languages.parquet")
    (directory / "grid.json").write_text(json.dumps({"name": "simulated", "pivot": PIVOT}))
    (directory / "receipts.json").write_text(
        json.dumps({"targets": {"w-xnli": {"metrics": ["accuracy"], "max_length": 64}}, "numerics": "fp32"})
    )
    return directory


def _cell(checkpoint, seed, target, split, intermediate, quality, truth, rng):
    noise = rng.normal(0, 3)
    for language in _languages(target, split):
        distance = DISTANCES[language]["total"] * truth.distance
        score = _expected(target, split, intermediate, distance, truth) + quality + noise
        yield _row(checkpoint, seed, target, split, intermediate, language, score + rng.normal(0, 2))


def _languages(target, split):
    """The languages that a score exists for: no retrieval in the pivot, no translated nouns without new roots."""
    translated = split == "test/unseen+translated"
    own = [code for code in DISTANCES if DISTANCES[code]["lexicon"] > 0 or not translated]
    return [code for code in own if code != PIVOT or target != "w-tatoeba"]


def _expected(target, split, intermediate, distance, truth):
    top, chance = TOP[target], CHANCE[target]
    if target.startswith("w-is"):
        last = intermediate.split(">")[-1]
        matched = last in (f"w-tag-{target[-1]}", f"w-which-{target[-1]}")
        knows = (
            1.0 if matched else 0.7 if intermediate == f"w-tag-{target[-1]}>w-tag-{target[-1]}-star" else 0.0
        )
        knows *= truth.knowledge
        knows = 1.0 if split == "test/seen" else 0.0 if split.endswith("translated") else knows
        return chance + (top - chance) * knows * (1 - distance / 2)
    gain = SAME_TASK.get(
        (intermediate, target), -10.0 if target == "w-tatoeba" and intermediate != "none" else 0
    )
    return chance + (top - chance) * truth.pretraining * (1 - distance) + gain * (1 - distance)


def _control(checkpoint, seed, target, split, rng):
    for language in _languages(target, split):
        value = CHANCE[target] + rng.normal(0, 3)
        yield _row(f"random({checkpoint})", seed, target, split, "none", language, value)


def _row(checkpoint, seed, target, split, intermediate, language, score):
    return {
        "run": "simulated", "model": "world-xlm-r", "checkpoint": checkpoint, "method": "full",
        "intermediate": intermediate, "target": target, "language": language, "split": split,
        "perturbation": "clean", "selection": "last", "seed": seed, "metric": METRIC.get(target, "accuracy"),
        "value": float(np.clip(score, 0, 100)), "n_examples": 240, "flags": "",
        "stage": f"{checkpoint}{intermediate}{target}{seed}",
    }  # fmt: skip


def write_samples(directory: Path, n: int = 24, dimensions: int = 8) -> None:
    """Add sample texts, subword counts and embeddings: a task is a point of its own, texts scatter around it."""
    rng = np.random.default_rng(1)
    tasks = sorted({t for s in INTERMEDIATES for t in tasks_of(s)} | set(TOP) - {"w-tatoeba"})
    sides = [(task, "test" if task in TOP else "train") for task in tasks]
    rows = pd.DataFrame(
        [
            {"task": task, "language": PIVOT, "split": split, "example_id": f"{task}{i}", "text": f"text {i}"}
            for task, split in sides
            for i in range(n)
        ]
    )
    places = {task: rng.normal(0, 1, dimensions) for task in tasks}
    (directory / "samples").mkdir(exist_ok=True)
    (directory / "representations").mkdir(exist_ok=True)
    rows.to_parquet(directory / "samples" / "samples.parquet")
    for checkpoint in pd.read_parquet(directory / "results.parquet")["checkpoint"].unique():
        stem = directory / "representations" / checkpoint.replace("/", "__")
        values = np.stack([places[task] for task in rows["task"]]) + rng.normal(0, 1, (len(rows), dimensions))
        np.savez(stem.with_name(stem.name + ".npz"), embeddings=values)
        rows.drop(columns="text").to_parquet(stem.with_name(stem.name + ".parquet"))
