"""Write the table of docs/speed.md from benches on one machine.

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


def table(benches: list[dict[str, Any]]) -> str:
    """Return the comparisons of benches as Markdown, and under them what they were measured on."""
    rows = [row for bench in benches for row in bench["rows"] if row["ratio"] is not None]
    lines = [f"| {' | '.join(cells)} |" for cells in (HEAD, ("---",) * len(HEAD), *map(_cells, rows))]
    machines = {_machine(bench["environment"]) for bench in benches}
    if len(machines) > 1:
        raise SystemExit(f"got benches of {len(machines)} machines: {'; '.join(sorted(machines))}")
    rounds = " or ".join(map(str, sorted({row["rounds"] for row in rows})))
    return "\n".join([*lines, f"\n{machines.pop()}, {rounds} rounds."])


def _machine(facts: dict[str, Any]) -> str:
    return f"{facts['processor']}, {facts['instructions']}, {facts['threads']} thread, {facts['clock']} time"


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
    parser.add_argument("results", type=Path, nargs="+", help="what `python -m tests.bench --out` wrote")
    made = table([json.loads(path.read_text(encoding="utf-8")) for path in parser.parse_args().results])
    page = PAGE.read_text(encoding="utf-8")
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
