"""similarity-gain: task embeddings and labelled features of a run enter; a refused permutation hides nothing."""

import numpy as np
import pandas as pd

from analyses.questions import similarity_gain
from analyses.similarity.tables import TRANSFERABILITY

SOURCES = ["w-nli", "w-qa", "w-roles", "w-cloze", "w-tag-a", "w-tag-b", "w-tag-0", "w-which-a"]
TARGETS = ["w-xnli", "w-xqa", "w-pos", "w-ner", "w-xcloze", "w-is-a"]


def test_a_refused_permutation_leaves_the_regression():
    """Two blocks of tasks with a third of their pairs missing: too little in common to permute, not to regress."""
    rng = np.random.default_rng(0)
    pairs = pd.DataFrame(
        [
            (s, t, rng.normal())
            for i, s in enumerate(SOURCES)
            for j, t in enumerate(TARGETS)
            if i % 2 == j % 2 and (i + j) % 5
        ],
        columns=["a", "b", "value"],
    )
    data = pairs.rename(columns={"a": "intermediate", "b": "target"}).drop(columns="value")
    data = data.assign(
        language="x-sov", same_data=False, gain=4 * pairs["value"] + rng.normal(0, 0.5, len(data))
    )
    table = pairs.assign(measure=similarity_gain.PRIMARY, language="", checkpoint="e", observed_share=1.0)
    similar = similarity_gain.Assembled(table, pd.DataFrame())
    found = similarity_gain._answered(data, similar)
    assert found.primary.estimate > 0
    assert "whole tasks could not be permuted" in found.sentence
    assert any("too few in common" in flag for flag in found.flags)
    [figure] = [figure for figure in found.figures if figure.name == "similarity-gain"]
    band = figure.extra
    assert (band["low"] <= band["y"]).all() and (band["y"] <= band["high"]).all() and len(band) == 2
    assert set(found.inferences) == {f"gain on {similarity_gain.PRIMARY}", "power of this grid"}


def test_embedded_tasks_and_labelled_features_enter(tmp_path, run):
    """Fisher vectors and features on disk give taskemb and the transferability measures of every pair."""
    rng = np.random.default_rng(1)
    checkpoint = run.encoders[0]
    stem = checkpoint.replace("/", "__")
    folder = tmp_path / "representations"
    (folder / "fisher").mkdir(parents=True)
    names = [f"intermediate/{s}" for s in SOURCES[:3]] + [f"target/{t}" for t in TARGETS[:3]]
    np.savez(folder / "fisher" / f"{stem}.npz", **{name: rng.random(50) for name in names})
    for source in SOURCES[:3]:
        (folder / "labelled" / stem / source).mkdir(parents=True)
        for target in TARGETS[:3]:
            features = rng.normal(size=(40, 6))
            np.savez(
                folder / "labelled" / stem / source / f"{target}.npz",
                features=features,
                labels=np.arange(40) % 3,
            )
    embedded = type(run)(**{**vars(run), "directory": tmp_path})
    similar = similarity_gain.similarities(embedded, SOURCES[:3], TARGETS[:3])
    pairs = similar.table.groupby("measure").size()
    assert pairs["taskemb"] == 9
    assert all(pairs[name] == 9 for name in TRANSFERABILITY)
    without = similarity_gain.similarities(run, SOURCES[:3], TARGETS[:3])
    assert "taskemb" in set(without.left_out["measure"]) and "taskemb" not in set(without.table["measure"])
