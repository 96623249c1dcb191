"""Scores of files of predictions, equal to those of the official scorers.

`score` is what `simxfer score` prints: `score_file` scores one task in one language, `score_benchmark` two
folders of the whole of XTREME or XTREME-R, and `averages` gives the averages that the benchmarks publish.
"""

from simxfer.score.benchmark import averages, score, score_benchmark
from simxfer.score.files import COLUMNS, score_file
from simxfer.score.layouts import BENCHMARKS, LAYOUTS

__all__ = ["BENCHMARKS", "COLUMNS", "LAYOUTS", "averages", "score", "score_benchmark", "score_file"]
