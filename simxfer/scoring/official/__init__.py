"""Scores of files of predictions, equal to those of the official scorers.

`score` is what `simxfer score` prints: `score_file` scores one task in one language, `score_benchmark` two
folders of the whole of XTREME or XTREME-R, and `averages` gives the averages that the benchmarks publish.
"""

from simxfer.scoring.official.benchmark import averages, score, score_benchmark
from simxfer.scoring.official.layouts import BENCHMARKS, LAYOUTS
from simxfer.scoring.official.task import COLUMNS, score_file

__all__ = ["BENCHMARKS", "COLUMNS", "LAYOUTS", "averages", "score", "score_benchmark", "score_file"]
