"""Make cc100.csv from a folder of transcribed facts; no number is typed here.

.venv/bin/python data/pretraining/build.py ../shared/facts
"""

import sys
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent

# One Burmese row of the source has no name of its own (56 M tokens and 15 M tokens): the larger one is kept.
CC100_TAGS = {
    "Chinese (Traditional)": "zh-Hant",
    "Hindi Romanized": "hi-Latn",
    "Urdu Romanized": "ur-Latn",
    "Bengali Romanized": "bn-Latn",
    "Telugu Romanized": "te-Latn",
    "Tamil Romanized": "ta-Latn",
}
NO_BLANKS = ("ja", "zh", "zh-Hant", "th", "vi")
CORRECTED = ("sv", "uk")


def cc100(facts: Path) -> pd.DataFrame:
    """Return XLM-R's pretraining data by language: millions of whitespace tokens and GiB."""
    # `no` and `nan` are language codes, not missing values.
    rows = pd.read_csv(facts / "cc100_xlmr_pretraining_sizes.csv", keep_default_na=False)
    language = rows["language"].map(CC100_TAGS).fillna(rows["lang_code"])
    flags = pd.Series("", index=rows.index)
    flags = flags.mask(language.isin(NO_BLANKS), "whitespace tokens are not comparable; use GiB")
    flags = flags.mask(language.isin(CORRECTED), "corrected by the authors; another transcription differs")
    table = pd.DataFrame(
        {
            "language": language,
            "cc100_gib": rows["size_GiB"].astype(float),
            "cc100_million_tokens": rows["tokens_M"].astype(float),
            "flags": flags,
        }
    )
    return table.drop_duplicates("language", keep="first").sort_values("language")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    cc100(Path(sys.argv[1])).to_csv(HERE / "cc100.csv", index=False, lineterminator="\n")
