"""The report: complete, self-contained, the same numbers everywhere, for runs and published folders alike."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from simulated import simulated_results, write_run

from analyses.questions import answers
from analyses.report import write_report
from analyses.report.overview import overview
from analyses.report.tables import file_name, to_markdown, to_tex, written
from analyses.run import load_run

PUBLISHED = Path(__file__).parents[3] / "data" / "published"


class Page(HTMLParser):
    """Collects ids, links, outside addresses and the words of the page; scripts apart."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.outside, self.words, self.scripts = set(), [], [], [], []
        self._hidden = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids.add(values.get("id"))
        if tag == "a":
            self.links.append(values["href"])
        self.outside += [v for k, v in values.items() if k in ("src", "srcset", "data") and v]
        self.outside += [values["href"]] if tag == "link" else []
        self._hidden = tag if tag in ("script", "style") else self._hidden

    def handle_endtag(self, tag):
        self._hidden = None if tag == self._hidden else self._hidden

    def handle_data(self, data):
        (self.scripts if self._hidden else self.words).append(data)


@pytest.fixture(scope="module")
def report(run, tmp_path_factory):
    return write_report(run.directory, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(report):
    return Page(report.read_text(encoding="utf-8"))


def test_everything_is_there(report):
    folder = report.parent
    answers = json.loads((folder / "answers.json").read_text())
    assert [a["name"] for a in answers] == [
        "positive-control", "order", "switches", "zero-shot", "distance", "degradation", "gains", "language-gains",
        "similarity-gain", "similarity-degradation",
    ]  # fmt: skip
    pdfs, pngs = ({p.stem for p in (folder / "figures").glob(f"*.{e}")} for e in ("pdf", "png"))
    assert pdfs == pngs and {"zero-shot", "distance", "gains-zero-shot", "similarity"} <= pdfs
    for answer in answers:
        for title in answer["tables"]:
            stem = folder / "tables" / file_name(answer["name"], title)
            assert Path(f"{stem}.csv").exists() and Path(f"{stem}.tex").exists()


def test_page_needs_no_network_and_its_links_lead_somewhere(page):
    assert page.outside == []
    assert page.links and all(link.startswith("#") and link[1:] in page.ids for link in page.links)


def test_plotly_is_inlined_once(report):
    assert report.read_text(encoding="utf-8").count("plotly.js v") == 1


def test_every_plot_has_its_place_and_data(report, page):
    data = json.loads(next(s for s in page.scripts if s.startswith('{"positive-control')))
    assert {f"plot-{name}" for name in data} <= page.ids
    assert all(plot["data"] for plot in data.values())


def test_page_and_markdown_tell_the_same_sentences(report, page):
    words = re.sub(r"\s+", " ", " ".join(page.words))
    markdown = (report.parent / "report.md").read_text(encoding="utf-8")
    for answer in json.loads((report.parent / "answers.json").read_text()):
        assert re.sub(r"\s+", " ", answer["sentence"]) in words
        assert answer["sentence"] in markdown
        assert all(item in markdown for item in answer["not_shown"])


def test_sentences_are_formatted_from_the_tables(report):
    for answer in json.loads((report.parent / "answers.json").read_text()):
        if answer["primary_test"]:
            row = answer["inferences"][answer["primary_test"]]["table"][0]
            assert (
                f"{abs(row['estimate']):.1f}" in answer["sentence"]
                or f"{abs(row['estimate']):.2f}" in answer["sentence"]
            )


def test_no_text_shows_a_number_that_is_none(page):
    words = " ".join(page.words)
    assert not re.search(r"\b(nan|NaN|None|inf)\b", words)


def test_published_folder(tmp_path):
    if not (PUBLISHED / "results.csv").exists():
        pytest.skip("data/published is not there: the report on published scores was NOT tested")
    report = write_report(PUBLISHED, tmp_path)
    answers = json.loads((tmp_path / "answers.json").read_text())
    assert [a["name"] for a in answers] == ["distance", "degradation"]
    assert all(a["sentence"].startswith("Yes") and "xnli" in a["sentence"] for a in answers)
    assert "sw Swahili" in report.read_text(encoding="utf-8")
    assert "holds no receipts" in report.read_text(encoding="utf-8")


def test_missing_cells_are_named(tmp_path):
    results = simulated_results(2, targets=("w-xnli",))
    gone = (results["intermediate"] == "w-qa") & (results["language"] == "x-sov")
    run = load_run(write_run(tmp_path, results[~gone]))
    facts = overview(run, [])
    assert facts.missing["missing_languages"].tolist() == ["x-sov"]
    assert facts.counts["coverage"] != "100.0 %"


def test_a_plan_tells_what_was_never_meant_to_run(tmp_path):
    results = simulated_results(2, targets=("w-xnli", "w-pos"))
    results = results[(results["target"] == "w-pos") | (results["intermediate"] == "none")]
    folder = write_run(tmp_path, results)
    assert len(overview(load_run(folder), []).missing) == 11
    cells = results.drop_duplicates(["checkpoint", "target", "intermediate", "seed"])
    columns = ["checkpoint", "method", "intermediate", "target", "seed", "selection"]
    (folder / "plan.json").write_text(json.dumps({"cells": cells[columns].to_dict("records")}))
    assert overview(load_run(folder), []).missing.empty


TABLE = pd.DataFrame(
    {
        "target": ["w-xnli", None], "gain": [-12.34, None], "p": [0.0123, 1e-6], "n": [3, 4], "ok": [True, False],
    }
)  # fmt: skip


def test_tables_write_numbers_by_their_column():
    out = written(TABLE)
    assert out["gain"].tolist() == ["\N{MINUS SIGN}12.3", "—"]
    assert out["p"].tolist() == [".012", "< .001"]
    assert out["ok"].tolist() == ["yes", "no"] and out["target"].tolist() == ["w-xnli", "—"]


def test_languages_are_written_with_their_names():
    table = written(pd.DataFrame({"language": ["sw", "zh-Hant", "x-sov", "el"]}))
    assert table["language"].tolist() == [
        "sw Swahili",
        "zh-Hant Chinese (Traditional)",
        "x-sov",
        "el Modern Greek",
    ]


def test_markdown_and_latex_tables():
    lines = to_markdown(TABLE).splitlines()
    assert lines[1] == "| --- | ---: | ---: | ---: | --- |" and len(lines) == 4
    tex = to_tex(pd.DataFrame({"a_b": ["x_y & z"]}), "50 % of it")
    assert r"x\_y \& z" in tex and r"\toprule" in tex and r"50 \% of it" in tex


def test_a_grid_made_for_a_study_is_answered_by_its_primary_test_alone(tmp_path):
    folder = write_run(tmp_path, simulated_results())
    every = list(answers(load_run(folder)))
    grid = json.loads((folder / "grid.json").read_text()) | {"study": "zero-shot", "margin": 2}
    (folder / "grid.json").write_text(json.dumps(grid))
    run = load_run(folder)
    found = list(answers(run))
    assert found[0].name == "zero-shot" and run.margin == 2
    assert sorted(a.name for a in found) == sorted(a.name for a in every)
    assert len(overview(load_run(folder), every).holm) == 1 < sum(a.primary is not None for a in every)
