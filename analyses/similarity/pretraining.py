"""How much text an encoder read in each language in pretraining, from `data/pretraining`."""

from collections.abc import Sequence
from functools import cache

import langcodes
import numpy as np
import pandas as pd

from analyses.similarity.codes import iso639_3
from simxfer.common.errors import InputError
from simxfer.common.shipped import data_path


def pretraining_sizes(encoder: str, languages: Sequence[str]) -> pd.Series:
    """Return the GiB of text that an encoder read in each language; NaN where that is not known.

    Args:
        encoder: a hub id, with or without `@revision`, or a folder; known by its last part, as in
            `data/pretraining/encoders.csv`. What it read after the encoder it starts from is not counted.
        languages: BCP-47 codes; `nb` is `no`, `zh-Hans` is `zh`.

    Example:
        >>> from analyses import pretraining_sizes
        >>> pretraining_sizes("FacebookAI/xlm-roberta-large", ["sw", "nb", "qu"]).to_dict()
        {'sw': 1.6, 'nb': 49.0, 'qu': nan}
    """
    sizes = _sizes(_corpora().get(encoder.partition("@")[0].rstrip("/").rpartition("/")[2].lower(), ""))
    return pd.Series({code: sizes.get(_key(code), np.nan) for code in languages}, dtype=float)


@cache
def _corpora() -> dict[str, str]:
    table = pd.read_csv(data_path("pretraining", "encoders.csv"))
    return dict(zip(table["encoder"].str.lower(), table["corpus"], strict=True))


@cache
def _sizes(corpus: str) -> dict[tuple[str, str], float]:
    """Return the GiB of a corpus by language and script; empty without a corpus."""
    if not corpus:
        return {}
    table = pd.read_csv(data_path("pretraining", f"{corpus}.csv"), keep_default_na=False)
    keys = (_key(code) for code in table["language"])
    return dict(zip(keys, table[f"{corpus}_gib"].astype(float), strict=True))


def _key(code: str) -> tuple[str, str]:
    """Return the language and the script of a code; no script where it is the language's usual one."""
    try:
        alpha3 = iso639_3(code)
    except InputError:
        # `ku` is none of the Kurdish languages, and still what the corpus and a test set may both call theirs.
        alpha3 = code
    tag = langcodes.get(code, normalize=False)
    usual = langcodes.get(tag.language or code).maximize().script
    return alpha3, "" if tag.script in (None, usual) else tag.script
