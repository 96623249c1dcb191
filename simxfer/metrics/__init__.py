"""The one place for metrics: what each computes, its range, and where it is defined. All scores are in points.

A metric sees gold answers and predictions, one of each an example:

    accuracy, retrieval_accuracy        gold: a label             prediction: a label
    token_accuracy, chunk_f1, tag_f1    gold: a list of tags      prediction: a list of tags, as long
    exact_match, squad_f1               gold: a list of texts     prediction: a text
    mlqa_exact_match, mlqa_f1           the same, and the language of the context
    squad2_exact_match, squad2_f1       gold: texts, none if unanswerable; prediction: a text, "" for no answer
    map_at_20, mrr_at_20                gold: a list of ids       prediction: a list of ids, best first

One metric compares two collections that need not be as long (`paired` is false):

    mining_f1                           gold: pairs of ids        prediction: pairs of ids

Mining takes two steps before it is scored: `tune_threshold` chooses a threshold on the candidates of the
development data, `pairs_above` extracts the pairs of the test data with it.
"""

from simxfer.metrics.mining import mining_f1, pairs_above, tune_threshold
from simxfer.metrics.ranking import average_precision, map_at_20, mrr_at_20, reciprocal_rank
from simxfer.metrics.record import Metric, Scored
from simxfer.metrics.spans import (
    best_thresholds,
    exact_match,
    mlqa_exact_match,
    mlqa_f1,
    normalise,
    normalise_mlqa,
    squad2_exact_match,
    squad2_f1,
    squad_f1,
)
from simxfer.metrics.tagging import accuracy, chunk_f1, chunks, tag_f1, tag_runs, token_accuracy

__all__ = [
    "METRICS",
    "Metric",
    "Scored",
    "accuracy",
    "average_precision",
    "best_thresholds",
    "chunk_f1",
    "chunks",
    "exact_match",
    "map_at_20",
    "mining_f1",
    "mlqa_exact_match",
    "mlqa_f1",
    "mrr_at_20",
    "normalise",
    "normalise_mlqa",
    "pairs_above",
    "reciprocal_rank",
    "squad2_exact_match",
    "squad2_f1",
    "squad_f1",
    "tag_f1",
    "tag_runs",
    "token_accuracy",
    "tune_threshold",
]

_SQUAD = "Rajpurkar et al. 2016, evaluate-v1.1.py"
_SQUAD2 = "Rajpurkar et al. 2018, evaluate-v2.0.py"
_MLQA = "Lewis et al. 2020, mlqa_evaluation_v1.py"
_CONLL = "Tjong Kim Sang and De Meulder 2003, conlleval"

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", accuracy, "examples answered right", "share of right answers"),
        Metric("token_accuracy", token_accuracy, "words tagged right", "share of right tags"),
        Metric("chunk_f1", chunk_f1, "F1 of typed chunks", _CONLL),
        Metric(
            "tag_f1",
            tag_f1,
            "F1 of runs of equal bare tags: XTREME's UDPOS score",
            "Hu et al. 2020, evaluate.py with seqeval 0.0.12",
        ),
        Metric("exact_match", exact_match, "answers that equal a gold answer", _SQUAD),
        Metric("squad_f1", squad_f1, "mean F1 of answer words", _SQUAD),
        Metric("squad2_exact_match", squad2_exact_match, "exact_match with unanswerable questions", _SQUAD2),
        Metric("squad2_f1", squad2_f1, "squad_f1 with unanswerable questions", _SQUAD2),
        Metric(
            "mlqa_exact_match",
            mlqa_exact_match,
            "exact_match, normalised for the context's language",
            _MLQA,
            needs_language=True,
        ),
        Metric(
            "mlqa_f1", mlqa_f1, "squad_f1, normalised for the context's language", _MLQA, needs_language=True
        ),
        Metric(
            "retrieval_accuracy",
            accuracy,
            "sentences whose nearest neighbour is their translation",
            "Artetxe and Schwenk 2019; Tatoeba in Hu et al. 2020",
        ),
        Metric(
            "mining_f1",
            mining_f1,
            "F1 of extracted pairs of translations",
            "Zweigenbaum et al. 2018 (BUCC); evaluate.py of Hu et al. 2020",
            paired=False,
        ),
        Metric(
            "map_at_20",
            map_at_20,
            "mean average precision of the first 20",
            "Roy et al. 2020 (LAReQA); utils_lareqa.py of Ruder et al. 2021",
        ),
        Metric(
            "mrr_at_20",
            mrr_at_20,
            "mean reciprocal rank within the first 20; XTREME-R prints it as mAP@20",
            "Botha et al. 2020 (Mewsli); utils_mewslix.py of Ruder et al. 2021",
        ),
        Metric("f1", chunk_f1, "F1 as printed by a published source", "the source named in the row"),
    )
}
