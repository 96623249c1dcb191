"""Make keyboards.json from a folder of transcribed facts; no key is typed here.

.venv/bin/python data/keyboards/build.py ../shared/oracles/methods/perturb
"""

import json
import sys
import unicodedata
from pathlib import Path

HERE = Path(__file__).parent
ROWS = ("AE", "AD", "AC", "AB")
"""The rows of letter keys, from the digits down; keys of a row are numbered from 1."""


def row(keys: dict[str, list[str | None]], name: str, level: int) -> str:
    """Return the letters and marks of a row from its first key on, a blank where a key has none."""
    places = {int(key[2:]): values for key, values in keys.items() if key[:2] == name and key[2:].isdigit()}
    found = [places.get(i, [])[level : level + 1] for i in range(1, max(places) + 1)]
    letters = [value[0] if value and value[0] and _is_letter(value[0]) else " " for value in found]
    return "".join(letters).rstrip()


def _is_letter(text: str) -> bool:
    return len(text) == 1 and unicodedata.category(text)[0] in "LM"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    facts = json.loads((Path(sys.argv[1]) / "keyboards.json").read_text(encoding="utf-8"))
    table = {
        "source": "xkeyboard-config (Debian xkb-data 2.35.1); see LICENSE-xkeyboard-config.txt",
        "languages": {language: fact["layout"] for language, fact in facts.items()},
        "layouts": {
            fact["layout"]: {name: [row(fact["keys"], name, level) for level in (0, 1)] for name in ROWS}
            for fact in facts.values()
        },
    }
    text = json.dumps(table, ensure_ascii=False, indent=1)
    (HERE / "keyboards.json").write_text(text + "\n", encoding="utf-8")
