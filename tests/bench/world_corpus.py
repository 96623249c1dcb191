"""Sentences of the embedded world a minute: as texts, as word ids, as subwords of a shipped encoder."""

from collections import deque

from tokenizers import Tokenizer

from simxfer import world
from simxfer.common.shipped import data_path

from .measure import Row, Timer, alone

DOCUMENTS = 8192
LANGUAGES = ("x-pivot", "x-agg")
"""One language that glues nothing and one that glues everything."""


def run(timer: Timer) -> list[Row]:
    """Measure the three forms of the corpus."""
    sentences = sum(
        int(part.first[-1]) for code in LANGUAGES for part in world.corpus_words(0, code, DOCUMENTS)
    )
    tokenizer = Tokenizer.from_file(str(data_path("encoders", "w0-s0", "tokenizer.json")))
    subjects = {
        "texts": lambda: _exhaust(world.corpus(0, code, DOCUMENTS) for code in LANGUAGES),
        "word ids": lambda: _exhaust(world.corpus_words(0, code, DOCUMENTS) for code in LANGUAGES),
        "subwords": lambda: _exhaust(
            world.corpus_tokens(tokenizer, 0, code, DOCUMENTS) for code in LANGUAGES
        ),
    }
    seconds = timer.interleave(subjects)
    what = f"{sentences:,} sentences as "
    return [
        alone("world-corpus", what + form, taken, work=sentences, unit="sentences/min", at_least=1e6)
        for form, taken in seconds.items()
    ]


def _exhaust(iterators) -> None:
    for iterator in iterators:
        deque(iterator, maxlen=0)
