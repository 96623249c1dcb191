"""The questions, one module each: a run -> an `Answer`, or None where the question is about another kind of
run.

A question that the run should answer and cannot returns an `Answer` that says why, never an error.
"""

from collections.abc import Iterator
from importlib import import_module

from analyses.questions.answer import Answer
from analyses.run import Run

QUESTIONS: dict[str, str] = {
    "positive-control": "analyses.questions.positive_control",
    "order": "analyses.questions.order",
    "switches": "analyses.questions.switches",
    "zero-shot": "analyses.questions.zero_shot",
    "distance": "analyses.questions.distance",
    "degradation": "analyses.questions.degradation",
    "robustness": "analyses.questions.robustness",
    "gains": "analyses.questions.gains",
    "language-gains": "analyses.questions.language_gains",
    "meaning": "analyses.questions.meaning",
    "language-separation": "analyses.questions.language_separation",
    "similarity-gain": "analyses.questions.similarity_gain",
    "adapter-similarity": "analyses.questions.adapter_similarity",
    "diverse-intermediates": "analyses.questions.diverse_intermediates",
    "similarity-degradation": "analyses.questions.similarity_degradation",
    "domain-adversarial": "analyses.questions.domain_adversarial",
    "task-order": "analyses.questions.task_order",
}
"""In the order of the report, the studies last: the one that a grid is made for stands first in its own report.

Each module has `answer(run) -> Answer | None`, a study's also `design(cells, margin)`, what a plan can answer.
"""


def answers(run: Run) -> Iterator[Answer]:
    """Yield the answer to every question that is about this kind of run, that of the grid's own study first."""
    for name in sorted(QUESTIONS, key=lambda name: name != run.study):
        answer = import_module(QUESTIONS[name]).answer(run)
        if answer is not None:
            yield answer
