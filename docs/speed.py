"""Write the table of docs/speed.md from a bench.

python -m tests.bench world-step world-predict packaged-step packaged-predict --out bench/results.json
python docs/speed.py bench/results.json
"""

import argparse
import json
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "speed.md"
BEGIN, END = "<!-- made by docs/speed.py -->", "<!-- end -->"
HEAD = ("what", "simxfer", "against", "theirs", "times as fast", "target")


def table(bench: dict[str, Any]) -> str:
    """Return the comparisons of a bench as Markdown, and under them what they were measured on."""
    rows = [row for row in bench["rows"] if row["ratio"] is not None]
    lines = [f"| {' | '.join(cells)} |" for cells in (HEAD, ("---",) * len(HEAD), *map(_cells, rows))]
    facts = bench["environment"]
    rounds = sorted({row["rounds"] for row in rows})
    lines.append(
        f"\n{facts['processor']}, {facts['instructions']}, {facts['threads']} thread, {facts['clock']} time, "
        f"{' or '.join(map(str, rounds))} rounds."
    )
    return "\n".join(lines)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    met = {True: ", met", False: ", missed", None: ""}[row["met"]]
    ratio = f"{row['ratio']:.2f} [{row['ratio_low']:.2f}, {row['ratio_high']:.2f}]"
    ours, theirs = (f"{row[name]:,.0f} {row['unit']}" for name in ("ours", "theirs"))
    return f"{row['bench']}: {row['what']}", ours, row["against"], theirs, ratio, f"{row['target']}{met}"


def main() -> None:
    """Put the table between the page's marks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    made = table(json.loads(parser.parse_args().results.read_text(encoding="utf-8")))
    page = PAGE.read_text(encoding="utf-8")
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
