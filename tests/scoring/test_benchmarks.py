"""The whole of XTREME and XTREME-R: languages, groups, averages, faults."""

import json
import math

import pandas as pd
import pytest
from official_files import write

from simxfer.common.errors import InputError
from simxfer.scoring.official import BENCHMARKS, LAYOUTS, averages, score, score_benchmark
from simxfer.scoring.official.layouts import native
from simxfer.scoring.official.matching import READERS
from simxfer.tasks import get_task


def average(table: pd.DataFrame, task: str, *columns: str) -> list:
    """The cells of a task's, a group's or the overall score."""
    [row] = table[(table["task"] == task) & (table["metric"] == "score")].to_dict("records")
    return [row[column] for column in columns]


def test_missing_languages_and_tasks_are_named_and_make_no_average(mock):
    table = averages("xtreme-r", score_benchmark("xtreme-r", mock / "predictions", mock / "labels"))
    assert average(table, "udpos", "n", "expected", "missing") == [33, 38, "lt,pl,ro,uk,wo"]
    assert average(table, "mewslix", "n", "expected", "missing") == [11, 11, ""]
    for group in ("classification", "tagging", "qa", "retrieval", "all"):
        assert math.isnan(*average(table, group, "value"))
    assert average(table, "retrieval", "missing") == ["tatoeba,lareqa"]
    assert "lareqa" not in table["task"].tolist()


def test_the_whole_of_xtreme_r_has_an_overall_score(tmp_path):
    """Perfect predictions of every task and language: 100 everywhere, and everything is there."""
    questions = {"data": [{"paragraphs": [{"qas": [{"id": "q", "answers": [{"text": "one"}]}]}]}]}
    texts: dict[str, tuple[str, str]] = {
        "classification": ("{label}\n{other}\n", "{label}\n{other}\n"),
        "multiple_choice": ("1\n0\n", "1\n0\n"),
        "retrieval": ("3\n1\n", "3\n1\n"),
        "tagging": ("{label}\n\n{other}\n", "{label}\n\n{other}\n"),
        "span": (json.dumps(questions), '{"q": "one"}'),
        "ranking": ('{"q": ["a"]}', '{"q": ["a", "b"]}'),
    }
    for name, languages in BENCHMARKS["xtreme-r"].tasks.items():
        task = get_task(name)
        for language in languages:
            for side, text in zip(("gold", "out"), texts[task.kind], strict=True):
                if task.labels:
                    text = text.replace("{label}", task.labels[1]).replace("{other}", task.labels[0])
                write(tmp_path / side / name / f"test-{language}.{LAYOUTS[name].suffix}", text)
    scores, table = score("xtreme-r", tmp_path / "out", tmp_path / "gold")
    assert (scores["value"] == 100.0).all()
    assert (table["value"] == 100.0).all() and (table["missing"] == "").all()
    assert table[table["task"] == "all"][["n", "expected"]].values.tolist() == [[10, 10]]
    for name in ("udpos/test-pl.tsv", "mlqa/test-zh.json"):
        (tmp_path / "out" / name).unlink()
    _, table = score("xtreme-r", tmp_path / "out", tmp_path / "gold")
    assert average(table, "udpos", "n", "expected", "missing") == [37, 38, "pl"]
    assert average(table, "all", "n", "missing") == [8, "udpos,mlqa"]
    assert math.isnan(*average(table, "all", "value"))


def test_layouts_and_benchmarks_fit_together():
    for name, layout in LAYOUTS.items():
        task = get_task(name)
        assert 1 <= layout.averaged <= len(task.metrics)
        assert native(task).paths and task.kind in READERS
    for benchmark in BENCHMARKS.values():
        assert {task for tasks in benchmark.groups.values() for task in tasks} == set(benchmark.tasks)
        for name, languages in benchmark.tasks.items():
            assert set(languages) <= set(get_task(name).languages)


def test_benchmarks_have_the_published_numbers_of_languages():
    """Hu et al. 2020, table 1; Ruder et al. 2021, table 1 (XQuAD's Romanian came with XTREME-R)."""
    counts = {name: {task: len(codes) for task, codes in b.tasks.items()} for name, b in BENCHMARKS.items()}
    both = {"xnli": 15, "mlqa": 7, "tydiqa": 9}
    xtreme = {"pawsx": 7, "udpos": 33, "panx": 40, "xquad": 11, "bucc2018": 4, "tatoeba": 36}
    xtreme_r = {"xcopa": 11, "udpos": 38, "panx": 48, "xquad": 12, "tatoeba": 41, "mewslix": 11, "lareqa": 11}
    assert counts == {"xtreme": both | xtreme, "xtreme-r": both | xtreme_r}


def test_faults_of_a_benchmark_are_reported_together(tmp_path):
    for side in ("out", "gold"):
        for language in ("sw", "ur", "de"):
            write(tmp_path / side / "xnli" / f"test-{language}.tsv", "neutral")
    for language in ("sw", "ur"):
        write(tmp_path / "out" / "xnli" / f"test-{language}.tsv", "yes")
    with pytest.raises(InputError, match=r"(?s)2 files cannot be scored.*test-sw.tsv.*test-ur.tsv"):
        score_benchmark("xtreme", tmp_path / "out", tmp_path / "gold")
    with pytest.raises(InputError, match="nothing to score"):
        score_benchmark("xtreme", tmp_path / "nowhere", tmp_path / "gold")
    with pytest.raises(InputError, match=r"unknown benchmark 'extreme'. Did you mean 'xtreme'\?"):
        score_benchmark("extreme", tmp_path / "out", tmp_path / "gold")
    with pytest.raises(InputError, match="xtreme takes no language"):
        score("xtreme", tmp_path / "out", tmp_path / "gold", "sw")
