"""Sentence encoders for the semantic measures: text -> embeddings, through sentence-transformers on the CPU.

An encoder declares the languages it was trained on and refuses others: in a language it never saw it returns
vectors all the same, and they would be read as meaning. Embeddings can be cached on disk by content.
"""

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from simxfer.common import packaged
from simxfer.common.errors import InputError, unknown
from simxfer.common.identity import hashed, known_sha256

MAX_SUBWORDS = 128
"""What is read of a text, as of the sample texts that a run's own encoders read; a question's context is longer."""
_LONG_WORK = 500
"""Texts from which on progress is shown."""


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of sample texts, with what they are of.

    `values` is (examples, dimensions); `rows` has the columns task, language, split, and example_id where
    translations are to be told, one row an example in the same order; `languages` are those that the encoder was
    trained on.
    """

    values: np.ndarray
    rows: pd.DataFrame
    checkpoint: str
    languages: frozenset[str]

    def __post_init__(self) -> None:
        """Refuse rows that do not fit the values."""
        if len(self.values) != len(self.rows):
            raise InputError(f"{len(self.values)} embeddings for {len(self.rows)} rows; expected as many")
        missing = {"task", "language", "split"} - set(self.rows.columns)
        if missing:
            raise InputError(f"the rows of the embeddings lack the columns {sorted(missing)}")

    def of(self, language: str) -> "Embeddings":
        """Return those of the texts in one language."""
        kept = (self.rows["language"] == language).to_numpy()
        rows = self.rows[kept].reset_index(drop=True)
        return Embeddings(self.values[kept], rows, self.checkpoint, self.languages & {language})


@dataclass(frozen=True)
class SentenceEncoder:
    """A sentence encoder on disk: its folder, the sha256 of its weights, the languages it was trained on."""

    name: str
    folder: Path
    sha256: str
    languages: frozenset[str]


def multilingual_e5() -> SentenceEncoder:
    """multilingual-e5-small (94 languages, 384 dimensions, 512 subwords; Wang et al. 2024), 4-bit, from a package.

    Texts are read behind "query: ", as its card asks for where two texts are compared; vectors are the mean over all
    tokens, of length 1. Its raw cosines crowd between .7 and 1: centre before reading them.

    Raises:
        InputError: the package that carries it is not installed, or not whole.
    """
    folder = packaged.checkpoint_folder()
    weights = json.loads((folder / packaged.CARD).read_text(encoding="utf-8"))["sha256"]["model.safetensors"]
    return SentenceEncoder(packaged.PREFIX + packaged.NAME, folder, weights, packaged.LANGUAGES)


def encode(
    texts: Sequence[str], languages: Sequence[str], encoder: SentenceEncoder, cache: Path | None = None
) -> np.ndarray:
    """Return the embeddings of the first `MAX_SUBWORDS` subwords of the texts, (texts, dimensions) float32.

    Args:
        texts: the texts.
        languages: language of each text.
        encoder: which encoder.
        cache: folder for embeddings, named by a hash of encoder and texts; none: nothing is kept.

    Raises:
        InputError: a language that the encoder does not declare; weights that are not the declared ones.
    """
    if len(texts) != len(languages):
        raise InputError(f"{len(languages)} languages for {len(texts)} texts; expected one a text")
    for language in languages:
        if language not in encoder.languages:
            raise InputError(unknown(f"language for encoder {encoder.name}", language, encoder.languages))
    path = None if cache is None else cache / f"{_content(texts, encoder)}.npy"
    if path is not None and path.exists():
        return np.load(path, allow_pickle=False)
    values = _run(texts, encoder)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".part.npy")
        np.save(temporary, values)
        # Renamed when whole, so that a run that is killed leaves no half of an array behind.
        temporary.replace(path)
    return values


def encode_samples(
    samples: pd.DataFrame, encoder: SentenceEncoder, cache: Path | None = None, most: int | None = None
) -> Embeddings:
    """Embed the texts of a SAMPLES table that are in the encoder's languages; the others are left out.

    Args:
        samples: the table; its order is kept.
        encoder: which encoder.
        cache: as `encode`.
        most: at most so many texts of a task, language and split, the first ones; None means all.
    """
    rows = samples[samples["language"].isin(encoder.languages)]
    if most is not None:
        rows = rows.groupby(["task", "language", "split"], sort=False).head(most)
    rows = rows.reset_index(drop=True)
    values = encode(list(rows["text"]), list(rows["language"]), encoder, cache)
    names = [name for name in ("task", "language", "split", "example_id") if name in rows]
    return Embeddings(values, rows[names], encoder.name, encoder.languages)


def _run(texts: Sequence[str], encoder: SentenceEncoder) -> np.ndarray:
    """Load the encoder from its folder, without the network or foreign code, and embed."""
    weights = encoder.folder / "model.safetensors"
    found = known_sha256(weights)
    if found != encoder.sha256:
        raise InputError(f"{weights} has sha256 {found}; expected {encoder.sha256}. Install it again")
    import transformers
    from sentence_transformers import SentenceTransformer

    transformers.logging.set_verbosity_error()  # it reports the pooler that no one reads as missing
    transformers.logging.disable_progress_bar()
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    model = SentenceTransformer(str(encoder.folder), device="cpu", local_files_only=True)
    model.max_seq_length = min(model.max_seq_length or MAX_SUBWORDS, MAX_SUBWORDS)
    if not texts:
        return np.empty((0, model.get_embedding_dimension()), dtype=np.float32)
    seen = len(texts) > _LONG_WORK and sys.stderr.isatty()
    return np.asarray(model.encode(list(texts), show_progress_bar=seen), dtype=np.float32)


def _content(texts: Sequence[str], encoder: SentenceEncoder) -> str:
    # Lengths first: "ab", "c" and "a", "bc" are different texts.
    parts = [f"{encoder.name}:{encoder.sha256}:{MAX_SUBWORDS}", *(f"{len(text)}:{text}" for text in texts)]
    return hashed("".join(parts), 16).hex()
