"""The checkpoints of a trained stage, scored: which one each evaluation reads, and the files of what comes of it."""

import json
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cache, partial
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from simxfer.common.atomic import write_table
from simxfer.encoder.dataset import Dataset, make_dataset
from simxfer.encoder.network import TransferModel
from simxfer.grid.plan import TARGET, Plan, Stage
from simxfer.run.checkpoints import Checkpoints
from simxfer.run.frozen_states import FrozenStates
from simxfer.run.log import append_row
from simxfer.run.stage_data import StageData
from simxfer.schema.directory import RunDirectory, StageDirectory
from simxfer.schema.tables import TARGET_DEV
from simxfer.scoring.evaluate import dev_score, evaluate
from simxfer.scoring.predict import encoder_numerics
from simxfer.scoring.protocol import Evaluation
from simxfer.scoring.word_attack import WordAttack
from simxfer.sources import read_examples
from simxfer.sources.perturb import CLEAN, parse
from simxfer.sources.perturb.examples import NOT_AVAILABLE
from simxfer.sources.request import DataRequest
from simxfer.tasks import get_task

ORACLE = "oracle-selection"
"""Flag of scores of a checkpoint that labelled data in the tested language chose, with its step."""

Frames = dict[str, pd.DataFrame]


def kept_ends(folder: StageDirectory) -> list[int]:
    """Return the steps whose checkpoints a stage keeps for the dev data of each language to choose from."""
    return sorted(int(path.name) for path in folder.kept(TARGET_DEV).root.iterdir())


class Evaluations:
    """Scores the checkpoints of the stages of one run on one device."""

    def __init__(
        self,
        run: RunDirectory,
        plan: Plan,
        data: StageData,
        checkpoints: Checkpoints,
        frozen: FrozenStates,
    ) -> None:
        self.run, self.plan, self.data, self.checkpoints = run, plan, data, checkpoints
        self.frozen = frozen
        self.chosen: dict[tuple[str, str, bool], dict[str, int]] = {}
        """The step of each language's own checkpoint, by stage and target, and whether adapters are swapped."""

    def score(
        self, model: TransferModel, stage: Stage, asked: list[Evaluation], environment: dict[str, Any]
    ) -> None:
        """Score a stage's model and write what comes of it; it is left with the weights of any of its checkpoints.

        Args:
            model: with the weights of the stage's own checkpoint.
            stage: a trained one.
            asked: evaluations, each of the checkpoint that its selection rule means.
            environment: what computes here.
        """
        folder = self.run.stage(stage.id)
        for rule, evaluations in groupby(sorted(asked, key=_rule), _rule):
            if rule not in ("", TARGET_DEV):
                self.checkpoints.switch(model, stage, rule)
            for evaluation in evaluations:
                started = time.monotonic()
                self.data.refuse_other_data(evaluation)
                how = self._by_language if rule == TARGET_DEV else self._as_it_is
                frames = how(model, stage, evaluation)
                frames["scores"].attrs["environment"] = environment
                write_table(folder.examples(evaluation.id), frames["examples"])
                write_table(folder.predictions(evaluation.id), frames["predictions"])
                seconds = round(time.monotonic() - started, 3)
                append_row(folder.log, {"evaluation": evaluation.id, "seconds": seconds})
                write_table(folder.scores(evaluation.id), frames["scores"])

    def _as_it_is(
        self,
        model: TransferModel,
        stage: Stage,
        evaluation: Evaluation,
        flags: tuple[str, ...] = (),
        among: Collection[str] = (),
    ) -> Frames:
        """Score the weights that the model has; where adapters of languages are swapped, each over its own."""
        seen = self.data.seen(stage.id)
        if not evaluation.beneath:
            return self._frames(model, stage, evaluation, seen, flags, among)
        parts = []
        for code, language in evaluation.beneath:
            if code in (among or [code]):
                read = (*seen, *self.data.seen(language))
                with self.checkpoints.over(model, language):
                    parts.append(self._frames(model, stage, evaluation, read, flags, [code]))
        return _joined(parts)

    def _frames(
        self,
        model: TransferModel,
        stage: Stage,
        evaluation: Evaluation,
        seen: Sequence[np.ndarray],
        flags: tuple[str, ...],
        among: Collection[str],
    ) -> Frames:
        if stage.phase == TARGET:
            model = model.known_as(stage.tasks[0], evaluation.target)
        readers: list[Callable[[str], Dataset]] = [
            partial(self._dataset, model, stage, evaluation, evaluation.split, draw)
            for draw in evaluation.variants
        ]
        first, *others = readers
        if evaluation.adversarial:
            first = cache(partial(self._attacked, model, stage, evaluation, first, among))
        return evaluate(
            model,
            evaluation,
            first,
            self.data.tokenizer(stage.encoder).pad_token_id,
            seen,
            [*self._flags(stage), *flags],
            partial(self._dev, model, stage, evaluation),
            others,
            among,
        )

    def _by_language(self, model: TransferModel, stage: Stage, evaluation: Evaluation) -> Frames:
        """Score each language with the checkpoint that its own dev data choose."""
        key = stage.id, evaluation.target, bool(evaluation.beneath)
        if key not in self.chosen:
            self.chosen[key] = self._choose(model, stage, evaluation)
        parts = []
        for step in sorted(set(self.chosen[key].values())):
            self.checkpoints.switch(model, stage, f"{TARGET_DEV}/{step}")
            among = [code for code, best in self.chosen[key].items() if best == step]
            parts.append(self._as_it_is(model, stage, evaluation, (f"{ORACLE}={step}",), among))
        return _joined(parts)

    def _choose(self, model: TransferModel, stage: Stage, evaluation: Evaluation) -> dict[str, int]:
        """Return the step of the checkpoint that is best on each language's dev data, the first of equal ones.

        The dev data are clean: a perturbed test is one of the same checkpoint.
        """
        task, pad = get_task(evaluation.target), self.data.tokenizer(stage.encoder).pad_token_id
        known = model.known_as(stage.tasks[0], evaluation.target)
        best: dict[str, tuple[float, int]] = {}
        for step in kept_ends(self.run.stage(stage.id)):
            self.checkpoints.switch(model, stage, f"{TARGET_DEV}/{step}")
            for language in evaluation.languages:
                dev = self._dataset(known, stage, evaluation, evaluation.tuned_on, CLEAN, language)
                with self._over(model, dict(evaluation.beneath).get(language, "")):
                    score = dev_score(known, task, dev, pad, language, evaluation.numerics)
                if language not in best or score > best[language][0]:
                    best[language] = score, step
        return {language: step for language, (_, step) in best.items()}

    def _over(self, model: TransferModel, language: str) -> AbstractContextManager[None]:
        """Put the adapter of a language, of the stage of this id, beneath a model; nothing without one."""
        return self.checkpoints.over(model, language) if language else nullcontext()

    def _dev(
        self, model: TransferModel, stage: Stage, evaluation: Evaluation, language: str
    ) -> Dataset | None:
        """Return the data that a threshold is tuned on, if there are any."""
        split = evaluation.tuned_on
        return self._dataset(model, stage, evaluation, split, CLEAN, language) if split else None

    def _attacked(
        self,
        model: TransferModel,
        stage: Stage,
        evaluation: Evaluation,
        drawn: Callable[[str], Dataset],
        among: Collection[str],
        language: str,
    ) -> Dataset:
        """Return the data of a language with words exchanged against the model; no other model reads them.

        `drawn` tells where the lexicon has nothing, and stands for languages that are not scored now.
        """
        dataset = drawn(language)
        if NOT_AVAILABLE in dataset.noted or language not in (among or [language]):
            return dataset
        clean = _request(evaluation, evaluation.split, CLEAN, language)
        how = replace(parse(evaluation.perturbation), request=clean)
        task, tokenizer = get_task(evaluation.target), self.data.tokenizer(stage.encoder)
        lengths = evaluation.max_length, evaluation.stride
        with encoder_numerics(model, evaluation.numerics):
            examples = WordAttack(model, task, how, tokenizer, *lengths)(read_examples(clean))
        return make_dataset(examples, task, tokenizer, *lengths)

    def _dataset(
        self,
        model: TransferModel,
        stage: Stage,
        evaluation: Evaluation,
        split: str,
        perturbation: str,
        language: str,
    ) -> Dataset:
        request = _request(evaluation, split, perturbation, language)
        dataset = self.data.dataset(
            request, evaluation.target, stage.encoder, evaluation.max_length, evaluation.stride
        )
        if get_task(evaluation.target).kind in ("mining", "ranking"):
            return dataset  # rows are selected of it, which leaves such states behind
        return self.frozen.dataset(model, stage, dataset, self.data.tokenizer(stage.encoder).pad_token_id)

    def _flags(self, stage: Stage) -> list[str]:
        """Return the flags of the stages on the path; all scores of this stage carry them."""
        folders = [self.run.stage(one.id) for one in self.plan.path(stage.id)]
        return sorted(
            {flag for folder in folders for flag in json.loads(folder.done.read_text()).get("flags", ())}
        )


def _request(evaluation: Evaluation, split: str, perturbation: str, language: str) -> DataRequest:
    """Return the request for what an evaluation reads of a split in one language."""
    return DataRequest(
        evaluation.target,
        split,
        language,
        evaluation.world,
        evaluation.draw,
        evaluation.limit,
        evaluation.folder,
        evaluation.fields,
        perturbation,
        evaluation.lexicons,
    )


def _rule(evaluation: Evaluation) -> str:
    return evaluation.selection


def _joined(parts: list[Frames]) -> Frames:
    """Return the rows of all parts; those without any have no types to bring along."""
    found = {}
    for name in parts[0]:
        frames = [part[name] for part in parts]
        found[name] = pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
    return found
