"""Questions about paragraphs -> queries, and the sentences of the paragraphs as candidates."""

from collections import defaultdict
from collections.abc import Sequence

from simxfer.sources.sentences import sentence_spans
from simxfer.tasks.examples import RankingExample, SpanExample


def from_questions(questions: Sequence[SpanExample]) -> list[RankingExample]:
    """Return the questions as queries, and every sentence of their contexts as a candidate beside its context.

    A sentence is relevant to the questions whose first answer begins in it, even if the answer goes on behind it
    (Roy et al. 2020, LAReQA, section 3). A question without an answer is left out, its context is not.
    """
    by_context: dict[str, list[SpanExample]] = defaultdict(list)
    for question in questions:
        by_context[question.context].append(question)
    queries = [
        RankingExample(id=q.id, subsets=q.subsets, text=q.question, side="query", keys=(q.id,))
        for q in questions
        if q.answers
    ]
    for number, (context, asked) in enumerate(by_context.items()):
        queries += _candidates(context, asked, number)
    return queries


def _candidates(context: str, asked: Sequence[SpanExample], number: int) -> list[RankingExample]:
    spans = sentence_spans(context)
    keys: dict[int, list[str]] = defaultdict(list)
    for question in asked:
        if question.answers:
            begun = [k for k, (start, _) in enumerate(spans) if start <= question.answers[0][0]]
            keys[begun[-1] if begun else 0].append(question.id)
    return [
        RankingExample(
            id=f"paragraph-{number}-sentence-{k}",
            text=context[start:end],
            text_pair=context,
            side="candidate",
            keys=tuple(keys[k]),
        )
        for k, (start, end) in enumerate(spans)
    ]
