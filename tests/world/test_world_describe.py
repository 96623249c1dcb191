"""The data sheet, and the bytes that VERSION stands for."""

import hashlib
import subprocess
import sys

from simxfer.world import LANGUAGES, VERSION, corpus, describe, examples
from simxfer.world.lexicon import SUFFIXES
from simxfer.world.ontology import N_CONCEPTS

# SHA-256 of `bytes_of_the_world()` by VERSION; raise VERSION in simxfer/world/__init__.py when it changes.
DIGESTS = {"1": "75532f857578721a28832e1aff48426c305d6401e4a8b9bc9dda46e1b7df7f1d"}


def bytes_of_the_world() -> str:
    """Corpus and examples of every kind in two far languages."""
    parts = [repr(d) for world in (0, 1) for d in corpus(world, "x-b1", 500)]
    for task in ("w-nli", "w-qa", "w-roles", "w-cloze", "w-tag-a", "w-share-b", "w-ner", "w-tatoeba"):
        parts += [repr(e) for world in (0, 1) for e in examples(world, task, "test", "x-d1", draw=1)]
    return "\n".join(parts)


def test_the_bytes_are_those_of_the_version():
    assert hashlib.sha256(bytes_of_the_world().encode()).hexdigest() == DIGESTS[VERSION]


def test_the_data_sheet_covers_every_concept_and_language():
    sheet = describe(0)
    assert len(sheet["concepts"]) == N_CONCEPTS
    assert sheet["forms"].shape == (N_CONCEPTS + len(SUFFIXES), len(LANGUAGES))
    assert list(sheet["languages"]["language"]) == list(LANGUAGES)
    differs = sheet["languages"].set_index("language")["differs"]
    assert (differs["x-sov"], differs["x-pivot"]) == ("order", "")
    sentences = sheet["sentences"]
    assert sentences.groupby("language").size().eq(4).all()
    for row in sentences.itertuples():
        assert len(row.text.split()) == len(row.gloss.split())


def test_the_world_needs_no_torch():
    code = "import simxfer.world, sys; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
