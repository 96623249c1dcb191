"""The semantic measures on real benchmark texts: a task is nearest to the one made from the same kind of text.

MNLI and XNLI share their guidelines and genres; QQP's texts are questions of a forum.
"""

import csv
from pathlib import Path

import numpy as np
import pytest

from analyses.similarity import MEASURES, encode, multilingual_e5

PACK = Path(__file__).parents[3] / ".." / "shared" / "pack"
pytestmark = pytest.mark.skipif(not PACK.exists(), reason=f"the benchmark files are not at {PACK}")


def columns(path: Path, names: tuple, header: bool) -> list[str]:
    with path.open(encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    where = [rows[0].index(name) for name in names] if header else list(names)
    return [" ".join(row[i] for i in where) for row in rows[header:]]


@pytest.fixture(scope="module")
def embedded() -> dict[str, np.ndarray]:
    texts = {
        "mnli": columns(PACK / "mnli" / "16-13" / "train.tsv", ("sentence1", "sentence2"), True),
        "xnli": columns(PACK / "xnli" / "dev-en.tsv", (0, 1), False),
        "qqp": columns(PACK / "qqp" / "16-13" / "train.tsv", ("question1", "question2"), True),
    }
    n = min(map(len, texts.values()))
    return {name: encode(some[:n], ["en"] * n, multilingual_e5()) for name, some in texts.items()}


@pytest.mark.parametrize("name", ["mean_cosine", "nearest_coverage", "mmd", "sliced_wasserstein", "frechet"])
def test_mnli_is_nearer_to_xnli_than_qqp_is(embedded, name):
    measure = MEASURES[name].function
    assert measure(embedded["mnli"], embedded["xnli"]) > measure(embedded["qqp"], embedded["xnli"])
