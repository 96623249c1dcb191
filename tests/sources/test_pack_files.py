"""Every file of the pack of real benchmark files loads, with the count that the pack's FILES.tsv states."""

import csv
from pathlib import Path

import pytest

from simxfer.common.errors import InputError
from simxfer.sources.files import read_files
from simxfer.sources.formats.text import read_lines
from simxfer.tasks import TASKS

PACK = Path(__file__).parents[2] / ".." / "shared" / "pack"

NO_DATA = ("README", "LICENSE", "LICENCE")
FOLDERS = {"ud_conllu": "ud"}
"""Folder of the pack -> task, where the names differ."""
PLACEHOLDERS = ("xcopa/copa_en/test-en.jsonl",)
"""Listed as examples, but with the same label for all, which are refused."""
UNLABELLED = ("mnli/jiant_fixture/mnli_test.jsonl",)
"""Listed as examples, but without labels."""


def _listed() -> list[dict[str, str]]:
    if not PACK.is_dir():
        return []
    with (PACK / "FILES.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    # XTREME's mock data are predictions and labels: `simxfer score` reads them (tests/scoring/test_official_scores.py).
    data = [row for row in rows if not row["file"].startswith("xtreme_mock_test_data/")]
    return [row for row in data if not Path(row["file"]).name.startswith(NO_DATA)]


def _task(path: str) -> str:
    folder = path.split("/")[0]
    if path.startswith("xcopa/copa_en"):
        return "copa"
    crossed = folder == "mlqa" and path[-7:-5] != path.split("-context-")[1][:2]
    return "mlqa_cross" if crossed else FOLDERS.get(folder, folder)


def _language(code: str, task: str) -> str:
    languages = {TASKS[task].files.code(language): language for language in TASKS[task].languages}
    code = code.split("-")[0]
    return code if code in languages.values() else languages[code]


def _count(path: Path, task: str, language: str) -> int:
    examples = read_files([path], TASKS[task], language)
    asked = [e for e in examples if getattr(e, "side", "query") in ("query", "source")]
    return len(asked)


def test_the_pack_is_there():
    if not PACK.is_dir():
        pytest.skip(f"{PACK} is absent: NO real benchmark file was read")
    assert len(_listed()) == 868 - 346 - 10  # rows, mock data, documents


@pytest.mark.parametrize("row", _listed(), ids=lambda row: row["file"])
def test_every_file_loads_with_its_count(row):
    path, count, name = PACK / row["file"], int(row["count"]), _task(row["file"])
    if row["unit"] in ("lines", "gold pairs only") and path.suffix in (".en", ".eng", ".gold"):
        assert len(read_lines(path)) == count  # read beside the other side
    elif "xtreme_form/" in row["file"] and name == "tatoeba":
        assert len(read_lines(path)) == count
        with pytest.raises(InputError, match="do not align"):
            _count(path, name, _language(row["lang"], name))
    elif row["unit"] == "unlabelled" or row["file"] in UNLABELLED:
        with pytest.raises(InputError, match=f"none of the {count} rows has gold"):
            _count(path, name, _language(row["lang"], name))
    elif row["unit"] == "fixture":
        name = {"squad_v1": "squad_v2"}.get(name, name)
        assert _count(path, name, "en") == {"squad_v2": 14, "swag": 10}[name]  # counted by hand
    elif row["file"] in PLACEHOLDERS:
        with pytest.raises(InputError, match=f"all {count} labels .* placeholders"):
            _count(path, name, _language(row["lang"], name))
    else:
        assert _count(path, name, _language(row["lang"], name)) == count


def test_the_two_corpora_of_bucc_and_their_gold_pairs(shared):
    examples = read_files([shared / "pack" / "bucc2018" / "zh-en.dev.zh"], TASKS["bucc2018"], "zh")
    sides = [e.side for e in examples]
    assert (sides.count("source"), sides.count("target")) == (8624, 13589)
    assert sum(len(e.matches) for e in examples) == 257
