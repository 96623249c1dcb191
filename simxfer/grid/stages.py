"""The stages of a grid: what each trains, on what, from which parent; equal ones fall together by their ids."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from simxfer.common.errors import InputError
from simxfer.common.identity import content_id
from simxfer.encoder.pretrained import Encoder
from simxfer.grid.file import Grid
from simxfer.grid.plan import LANGUAGE, TARGET, Stage, Unlabelled, part_of
from simxfer.grid.reads import dev_parts, learned_task, train_parts
from simxfer.grid.selections import kept_for
from simxfer.schema.tables import TARGET_DEV
from simxfer.sources.leaks import Leaks
from simxfer.sources.perturb import CLEAN, parse
from simxfer.sources.perturb.code_mix import lexicon_file
from simxfer.sources.request import DataRequest
from simxfer.tasks.intermediate import TaskData
from simxfer.tasks.plain_text import TEXT
from simxfer.training.methods import load_method, name_of, spelled
from simxfer.training.recipes import BEST, LAST


class Stages:
    """Plans the stages of a grid."""

    def __init__(
        self, grid: Grid, revision: Callable[[DataRequest], str], leaks: Callable[[DataRequest], Leaks]
    ) -> None:
        self.grid = grid
        # Asked for once: a grid names the same tasks and data in thousands of stages.
        self.revision, self.leaks = cache(revision), cache(leaks)
        self.hyperparameters, self.task_data = cache(grid.hyperparameters), cache(grid.task_data)
        self.values = cache(lambda task, method: grid.hyperparameters(task, name_of(method)).as_dict())
        self.planned: dict[str, Stage] = {}
        self.leaking: dict[str, Leaks] = {}

    def add(self, stage: Stage) -> Stage:
        """Return the planned stage of the same id, or plan this one."""
        return self.planned.setdefault(stage.id, stage)

    def root(self, encoder: Encoder, fingerprint: str, seed: int) -> Stage:
        """Plan a pretrained encoder; a random one is another for every seed."""
        return self.add(
            Stage(
                encoder=encoder.name,
                fingerprint=("random:" if encoder.random else "") + fingerprint,
                deterministic=self.grid.deterministic,
                seed=seed if encoder.random else None,
                world=self.world(encoder),
            )
        )

    def world(self, encoder: Encoder) -> int:
        """Return the world that an encoder's artificial data come from."""
        return self.grid.world if encoder.world is None else encoder.world

    def train(
        self,
        parent: Stage,
        data: tuple[TaskData, ...],
        phase: str,
        method: str,
        seed: int,
        trains_on: tuple[str, ...] = (),
        head: str = "",
        learned: str = "",
        fused_with: str = "",
        selections: tuple[str, ...] = (),
    ) -> Stage:
        """Plan a stage that trains on some tasks, from a parent.

        Args:
            parent: what it starts from.
            data: the tasks; several are a mixture.
            phase: its name in the random streams.
            method: as the grid says it for this part of the path.
            seed: of everything that is drawn.
            trains_on: tasks whose data are read in place of those that the first task's record names.
            head: as a grid's `head`; the grid's if empty.
            learned: the task whose data, head and streams it has, if not the one that it is called by.
            fused_with: id of a stage whose adapter is fused with the parent's.
            selections: rules by which it is scored; those that the hyperparameters name if there are none.
        """
        grid, method = self.grid, self.in_stage(parent, phase, method)
        part = {"trains_on": trains_on} if trains_on else {}
        options = [self.task_data(item.task).model_copy(update=part) for item in data]
        kept = kept_for(selections)
        ending = {"selection": LAST if kept else selections[0]} if selections else {}
        values = tuple(self.values(item.task, method) | ending for item in data)
        chosen = BEST in (*kept, *(row["selection"] for row in values))
        looked_at = chosen or TARGET_DEV in kept
        parts = tuple(train_parts(item, o, looked_at) for item, o in zip(data, options, strict=True))
        looked = tuple(map(dev_parts, data, options)) if chosen else ()
        stage = Stage(
            encoder=parent.encoder,
            fingerprint=parent.fingerprint,
            parent=parent.id,
            phase=phase,
            data=(TaskData(learned),) if learned else data,
            parts=parts,
            dev_parts=looked,
            folder=grid.data.folder or "",
            lexicons=self.lexicons(method),
            hyperparameters=values,
            method=method,
            unlabelled=self.unlabelled(data) if load_method(method).reads_text else None,
            fused_with=fused_with,
            numerics=grid.numerics,
            deterministic=grid.deterministic,
            seed=seed,
            kept=kept,
            head=head or grid.head,
            mixture_temperature=grid.mixture_temperature if len(data) > 1 else 1.0,
            mixture_cap=grid.mixture_cap if len(data) > 1 else None,
            world=parent.world,
        )
        return self.read(stage)

    def in_stage(self, parent: Stage, phase: str, method: str) -> str:
        """Return the method of a stage, without what does not count in it."""
        below = part_of(parent.phase) if load_method(parent.method).beside else ""
        return spelled(load_method(method).in_stage(part_of(phase), below), name_of(method))

    def language(self, root: Stage, code: str, method: str, seed: int) -> Stage:
        """Train the adapter of a language on text in it, whatever task the text is the input of."""
        asked = self.grid.unlabelled
        assert asked is not None  # the grid has been checked
        stage = Stage(
            encoder=root.encoder,
            fingerprint=root.fingerprint,
            parent=root.id,
            phase=LANGUAGE,
            data=(TaskData(TEXT, (code,)),),
            parts=(((asked.task, asked.split),),),
            folder=self.grid.data.folder or "",
            hyperparameters=(
                {**self.values(TEXT, method), "train_examples": asked.examples, "selection": "last"},
            ),
            method=spelled(load_method(method).beneath, name_of(method)),
            numerics=self.grid.numerics,
            deterministic=self.grid.deterministic,
            seed=seed,
            head=self.grid.head,
            world=root.world,
        )
        return self.read(stage)

    def languages(self, root: Stage, source: str, method: str, seed: int) -> dict[str, Stage]:
        """Train the adapters of the language that is trained in, and of every tested one that there is text in."""
        codes = dict.fromkeys((source, *self.grid.unlabelled_languages))
        return {code: self.language(root, code, method, seed) for code in codes}

    def read(self, stage: Stage) -> Stage:
        """Add a stage once it is known which data it reads, and what of them is left out."""
        if stage.lexicons:
            self.refuse_without_lexicon(stage)
        revisions = tuple(map(self.revision, stage.requests))
        return self.add(replace(stage, revisions=revisions, left_out=self.left_out(stage)))

    def lexicons(self, method: str) -> str:
        """Return the folder of the lexicons that a method reads; empty if it reads none.

        Raises:
            InputError: it reads some, and the grid names no folder.
        """
        if not any(how != CLEAN and parse(how).lexical for how in load_method(method).inputs):
            return ""
        if not self.grid.data.lexicons:
            raise InputError(
                f"method {method!r} reads lexicons, and none are given; set data: {{lexicons: FOLDER}} to a folder of "
                "files in MUSE's format such as en-en.txt, a word and a neighbour a line"
            )
        return self.grid.data.lexicons

    def refuse_without_lexicon(self, stage: Stage) -> None:
        """Refuse training data that a method would perturb by a lexicon which is not there.

        Raises:
            InputError: there are such data; the embedded world has no neighbours of its words.
        """
        for request in stage.requests:
            if request.perturbation != CLEAN and lexicon_file(request) is None:
                code = request.language
                raise InputError(
                    f"method {stage.method!r} has no lexicon for {request.task} in {code}; bring {code}-{code}.txt "
                    f"into {stage.lexicons}, or smooth by a perturbation that needs none, such as smoothing(swap)"
                )

    def left_out(self, stage: Stage) -> str:
        """Return the hash of the rows that are left out of a stage's training data; empty if there are none."""
        leaks = {request.place: self.leaks(request.whole) for request in stage.trained_on}
        leaking = {place: found for place, found in leaks.items() if found.ids}
        self.leaking |= leaking
        return content_id({place: found.ids for place, found in leaking.items()}) if leaking else ""

    def unlabelled(self, data: tuple[TaskData, ...]) -> Unlabelled | None:
        """Return the text that stands beside some training data: in languages that these are not in."""
        asked = self.grid.unlabelled
        if asked is None:
            return None
        labelled = {code for item in data for code in item.read_in}
        languages = tuple(code for code in self.grid.unlabelled_languages if code not in labelled)
        if not languages:
            raise InputError(
                f"unlabelled text of {asked.task} is in {', '.join(self.grid.unlabelled_languages)}, the languages of "
                f"{'+'.join(map(str, data))} itself; name others under unlabelled: {{languages: [...]}}"
            )
        return Unlabelled(asked.task, asked.split, languages, asked.examples)

    def target(self, parent: Stage, target: str, method: str, seed: int) -> Stage:
        """Train a target in one stage, or in one for each task that it is trained on where they come in turn."""
        trains_on, selections = self.task_data(target).trains_on or (), self.grid.target_selections(target)
        alone = ""
        if getattr(load_method(self.in_stage(parent, TARGET, method)), "phases", "") == "fused":
            alone = self.target(self.root_of(parent), target, method, seed).id
        if not self.hyperparameters(target).in_turn:
            return self.train(
                parent,
                (TaskData(target),),
                TARGET,
                method,
                seed,
                learned=learned_task(target, trains_on),
                fused_with=alone,
                selections=selections,
            )
        stage = parent
        for i, name in enumerate(trains_on, start=1):
            first, last = i == 1, i == len(trains_on)
            stage = self.train(
                stage,
                (TaskData(target),),
                TARGET if last else f"before-target-{i}",
                method,
                seed,
                (name,),
                self.grid.head if first else "reuse",
                fused_with=alone if first else "",
                selections=selections if last else (),
            )
        return stage

    def root_of(self, stage: Stage) -> Stage:
        """Return the pretrained encoder that a stage's path begins at."""
        return stage if stage.parent is None else self.root_of(self.planned[stage.parent])
