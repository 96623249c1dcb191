"""The generator's speed, in processor time, so that what else runs does not matter."""

import time

import pytest

from simxfer.world import corpus, corpus_words

pytestmark = pytest.mark.slow

N_DOCUMENTS = 40_960


@pytest.mark.parametrize("language", ["x-pivot", "x-agg", "x-d1"])
def test_a_million_sentences_a_minute_as_text(language):
    """Measured: about twenty million a minute on one core; documents have two to four sentences."""
    sentences = sum(len(block.sentences) for block in corpus_words(0, language, N_DOCUMENTS))
    started = time.process_time()
    assert sum(1 for _ in corpus(0, language, N_DOCUMENTS)) == N_DOCUMENTS
    assert sentences / (time.process_time() - started) * 60 > 1e6
