"""How much text of each language XLM-R was pretrained on: CC-100, as printed (arXiv 1911.02116, Table 6).

Also the pretraining text of encoders that start from XLM-R or are distilled from it (Multilingual-MiniLM, hence
multilingual-e5).
"""

from collections.abc import Sequence

import pandas as pd

from simxfer.common.shipped import data_path


def pretraining_text(languages: Sequence[str]) -> pd.Series:
    """Return the GiB of CC-100 text by language, index `language`; NaN where the corpus has none of it.

    GiB and not tokens: ja, th, vi and zh have no blanks between words that token counts could go by.

    Example:
        >>> from analyses import pretraining_text
        >>> pretraining_text(["sw", "de", "yo"]).to_dict()
        {'sw': 1.6, 'de': 66.6, 'yo': nan}
    """
    # `nan` is how pandas would read the language code of Min Nan; only empty cells are missing.
    table = pd.read_csv(data_path("published", "cc100.csv"), keep_default_na=False, na_values=[""])
    sizes = table.set_index("language")["cc100_gib"].astype(float)
    return sizes.reindex(pd.Index(list(dict.fromkeys(languages)), name="language")).rename("gib")
