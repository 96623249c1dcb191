"""Make lookalikes.json from a folder of transcribed facts; no letter is typed here.

.venv/bin/python data/lookalikes/build.py ../shared/oracles/methods/perturb
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    facts = json.loads((Path(sys.argv[1]) / "lookalikes.json").read_text(encoding="utf-8"))
    table: dict[str, str] = {}
    for script in (fact for fact in facts.values() if isinstance(fact, dict)):
        for letter in sorted({*script["same_script"], *script["other_script"]}):
            table[letter] = script["same_script"].get(letter, "") + script["other_script"].get(letter, "")
    source = "Unicode confusables.txt 13.0.0 (UTS 39); see LICENSE-Unicode.txt"
    text = json.dumps({"source": source, "letters": table}, ensure_ascii=False, indent=0)
    (HERE / "lookalikes.json").write_text(text + "\n", encoding="utf-8")
