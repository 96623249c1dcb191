"""Figures: every kind is drawn twice, from the same data, and shows every number that it is given."""

import warnings

import numpy as np
import pandas as pd
import pytest

from analyses.figures import interactive, paper, save_printed, style
from analyses.figures.figure import Figure
from analyses.inference.result import Inference, distribution_data, distribution_figure
from analyses.questions.answer import Answer


def figure(kind, frame, extra=None, **fields):
    defaults = {"name": kind, "title": kind, "caption": "", "x": "x", "y": "y"}
    return Figure(
        kind=kind, frame=frame, extra=pd.DataFrame() if extra is None else extra, **{**defaults, **fields}
    )


HEATMAP = figure(
    "heatmap",
    pd.DataFrame({"row": ["s2", "s1", "s1"], "column": ["t1", "t1", "t2"], "value": [1.0, -2.0, 3.0]}),
    zero=0.0,
)
SCATTER = figure(
    "scatter",
    pd.DataFrame({"panel": "p", "label": ["a", "b", "c"], "x": [0.0, 0.1, 1.0], "y": [1.0, 1.0, 3.0]}),
    pd.DataFrame({"panel": "p", "x": [0, 1], "y": [1, 3], "low": [0, 2], "high": [2, 4]}),
)
FOREST = figure(
    "forest",
    pd.DataFrame(
        {
            "panel": ["p", "p", "q"], "label": ["a", "b", "a"], "series": ["m", "n", "m"],
            "estimate": [1.0, 2.0, 3.0], "low": [0.5, np.nan, 2.0], "high": [1.5, np.nan, 9.0],
        }
    ),
    pd.DataFrame({"panel": ["p"], "label": ["a"], "series": ["m"], "value": [-4.0]}),
    zero=0.0,
)  # fmt: skip
DISTRIBUTION = figure(
    "distribution", pd.DataFrame({"value": np.arange(20.0)}), pd.DataFrame({"value": [7.0]})
)
ALL = [HEATMAP, SCATTER, FOREST, DISTRIBUTION]


@pytest.mark.parametrize("one", ALL, ids=lambda f: f.kind)
def test_every_kind_is_drawn_for_screen_and_paper(one, tmp_path):
    plots = interactive(one)
    assert len(plots) == len(style.panels(one)) and all(plot.data for plot in plots)
    save_printed(one, tmp_path)
    assert (tmp_path / f"{one.name}.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / f"{one.name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("one", ALL, ids=lambda f: f.kind)
def test_equal_data_give_equal_files(one, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        save_printed(one, tmp_path / folder)
    for ending in ("pdf", "png"):
        name = f"{one.name}.{ending}"
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_heatmap_keeps_order_and_leaves_absent_cells_empty():
    trace = interactive(HEATMAP)[0].data[0]
    assert list(trace.y) == ["s2", "s1"] and list(trace.x) == ["t1", "t2"]
    np.testing.assert_array_equal(np.array(trace.z, float), [[1.0, np.nan], [-2.0, 3.0]])
    assert (trace.zmin, trace.zmax) == (-3.0, 3.0), "a diverging scale is even around no effect"


def test_forest_panels_share_one_range_that_holds_everything():
    low, high = style.value_range(FOREST)
    assert low < -4.0 and high > 9.0
    assert all(tuple(plot.layout.xaxis.range) == (low, high) for plot in interactive(FOREST))


def test_forest_draws_replicates_and_estimates_at_the_same_height():
    replicate, estimate = interactive(FOREST)[0].data[:2]
    assert list(replicate.y) == list(estimate.y)


def test_names_on_a_scatter_do_not_cover_each_other():
    rows = pd.DataFrame({"label": list("abcdefgh"), "x": [0.0] * 7 + [1.0], "y": [0.5] * 7 + [0.0]})
    assert len(set(style.label_places(rows)[:7])) == 7


def test_distribution_of_an_inference_marks_the_observed_statistic():
    table = pd.DataFrame([{"term": "t", "estimate": 2.0, "low": 1, "high": 3, "p": 0.1, "statistic": 0.4}])
    inference = Inference(
        procedure="test", null="nothing", table=table, counts={}, distribution=np.arange(5.0)
    )
    assert distribution_data(inference, "d").extra["value"].tolist() == [0.4]
    assert inference.plot().layout.shapes[0].x0 == 0.4
    with pytest.raises(ValueError, match="known one"):
        distribution_figure(Inference(procedure="t", null="", table=table, counts={}))


def test_an_answer_plots_all_its_figures():
    answer = Answer(name="n", title="t", question="q", sentence="s", figures=(SCATTER, FOREST))
    assert {name: len(plots) for name, plots in answer.plot().items()} == {"scatter": 1, "forest": 2}
    assert "q" in answer.summary() and answer.to_frame().empty


def test_places_of_names_are_where_they_say():
    sides = {"left": -1, "center": 0, "right": 1, "bottom": -1, "middle": 0, "top": 1}
    for place, (across, up) in style.PLACES.items():
        level, side = place.split()
        assert (np.sign(across), np.sign(up)) == (sides[side], sides[level])


def test_a_name_takes_the_first_place_that_hides_nothing_by_hand():
    """Names of 8 characters are .152 wide: on top, the second would cover the first; at its right it covers nothing."""
    rows = pd.DataFrame({"label": ["abcdefgh", "abcdefgh", "z"], "x": [0.0, 0.05, 1.0], "y": [0.0, 0.0, 1.0]})
    assert style.label_places(rows) == ["top center", "middle right", "top center"]


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_series_stand_evenly_around_their_label_and_apart_from_the_next(n):
    shifts = np.array(style.offsets(n))
    np.testing.assert_allclose(shifts, -shifts[::-1], atol=1e-12)
    assert len(shifts) == n and np.allclose(np.diff(shifts), np.diff(shifts)[:1])
    assert n == 1 or 0 < shifts[1] - shifts[0] < 1 - np.ptp(shifts)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("none", ["none"]),
        ("sw Swahili", ["sw Swahili"]),
        (
            "w-tag-a-star-synonyms>w-nli>w-tag-a-synonyms",
            ["w-tag-a-star-synonyms>", "w-nli>w-tag-a-synonyms"],
        ),
        ("task@x-agg,x-sov,x-vso,x-insitu", ["task@x-agg,x-sov,x-vso,", "x-insitu"]),
    ],
)
def test_long_names_break_behind_their_signs_and_lose_nothing(name, lines):
    assert style.broken(name, "\n").split("\n") == lines
    assert style.broken(name, "") == name
    assert style.longest([name, "none"]) == len(lines)


def test_long_names_leave_a_heatmap_and_a_forest_their_room():
    names = [f"{a}-with-a-long-name>{b}-with-a-long-name>target" for a in "abc" for b in "de"]
    grid = pd.DataFrame({"row": names, "column": "x", "value": range(6)})
    rows = pd.DataFrame({"panel": "", "label": names, "series": "", "estimate": 1.0, "low": 0.0, "high": 2.0})
    for kind, frame in (("heatmap", grid), ("forest", rows)):
        sheet = paper.DRAW[kind](
            Figure(name="f", kind=kind, title="t", caption="c", frame=frame, x="points", zero=0.0)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a layout that does not fit is one
            sheet.draw_without_rendering()
        assert sheet.axes[0].get_position().width > 0.15, kind
