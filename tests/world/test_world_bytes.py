"""The same seed gives the same bytes in every process and on any number of workers."""

import hashlib
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from simxfer.world import corpus, examples


def digest(world: int, language: str, n: int) -> str:
    """The SHA-256 of n documents as text."""
    text = "\n".join(f"{d.text}\t{d.text_pair}" for d in corpus(world, language, n, seed=3))
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of_examples(language: str) -> str:
    """The SHA-256 of a test set."""
    return hashlib.sha256(repr(examples(0, "w-is-a", "test", language, draw=5)).encode()).hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_another_process():
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    code += "from test_world_bytes import digest; print(digest(0, 'x-b1', 5000))"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "77"}
    )
    assert out.stdout.strip() == digest(0, "x-b1", 5000)


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_workers():
    """Whole corpora, and the test sets of a task, by two processes at once and by this one."""
    jobs = [(0, code, 2000) for code in ("x-pivot", "x-c2", "x-d1")]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        corpora = list(pool.map(digest, *zip(*jobs, strict=True)))
        sets = list(pool.map(digest_of_examples, [job[1] for job in jobs]))
    assert corpora == [digest(*job) for job in jobs]
    assert sets == [digest_of_examples(job[1]) for job in jobs]
