"""The embeddings of a run's sample texts that questions about meaning read."""

import os
from pathlib import Path

from analyses.run import Run
from analyses.similarity import Embeddings, SentenceEncoder, encode_samples, multilingual_e5
from simxfer.common import packaged
from simxfer.common.errors import InputError

TEXTS = 64
"""Texts of a task, language and split that the sentence encoder reads: a minute a thousand texts on one core."""


def sentence_encoder() -> SentenceEncoder | None:
    """Return the sentence encoder of the semantic measures, None where the package that carries it is not there."""
    try:
        return multilingual_e5()
    except InputError:
        return None


def descriptions_cache(run: Run) -> Path:
    """Return where the embeddings of task descriptions are kept, which are the same in every run.

    Beside the decoded encoder, so that a report need not load it; in the run where nothing may be written there.
    """
    shared = packaged.cache_folder()
    return shared / "embeddings" if os.access(shared, os.W_OK) else run.directory / "representations"


def sentence_embeddings(run: Run) -> Embeddings | None:
    """Return what the sentence encoder makes of the run's texts in its languages; None without one of either."""
    encoder = sentence_encoder()
    if encoder is None or not run.samples["language"].isin(encoder.languages).any():
        return None
    return encode_samples(run.samples, encoder, run.directory / "representations", TEXTS)


def meanings(run: Run) -> list[Embeddings]:
    """Return the embeddings of the run's texts, one an encoder.

    Real languages are read by the sentence encoder, whichever encoders the run trains; languages that it does not know
    (all artificial ones), and all where it is not there, by the run's own.
    """
    read = sentence_embeddings(run)
    if read is None:
        return own_embeddings(run, frozenset())
    return [read, *own_embeddings(run, read.languages)]


def own_embeddings(run: Run, without: frozenset[str]) -> list[Embeddings]:
    """Return the run's own mean-pooled hidden states, one an encoder, but for some languages."""
    found = []
    for checkpoint in run.encoders:
        stored = run.representations(checkpoint)
        if stored is None:
            continue
        values, rows = stored
        kept = ~rows["language"].isin(without).to_numpy()
        if kept.any():
            rows = rows[kept].reset_index(drop=True)
            found.append(Embeddings(values[kept], rows, checkpoint, frozenset(rows["language"].unique())))
    return found
