"""The names of everything in a run directory."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunDirectory:
    """`runs/NAME/`: every path that is read or written below it has its name here."""

    root: Path

    @property
    def grid_file(self) -> Path:
        """The grid file as given."""
        return self.root / "grid.yaml"

    @property
    def grid_json(self) -> Path:
        """The resolved grid: defaults filled in, encoders with their fingerprints."""
        return self.root / "grid.json"

    @property
    def plan(self) -> Path:
        """The resolved plan."""
        return self.root / "plan.json"

    @property
    def inputs(self) -> Path:
        """What every file that the run reads was when it began."""
        return self.root / "inputs.json"

    @property
    def environment(self) -> Path:
        """Versions, device, threads, commit."""
        return self.root / "environment.json"

    @property
    def receipts(self) -> Path:
        """The protocol of every target: tokenizer, layer, pooling, metric, lengths, data revision."""
        return self.root / "receipts.json"

    @property
    def languages(self) -> Path:
        """The typological record of every language."""
        return self.root / "languages.parquet"

    @property
    def results(self) -> Path:
        """The results table."""
        return self.root / "results.parquet"

    @property
    def examples(self) -> Path:
        """The scores of single examples."""
        return self.root / "examples.parquet"

    @property
    def samples(self) -> Path:
        """Texts by task and language, for the semantic measures."""
        return self.root / "samples" / "samples.parquet"

    @property
    def subwords(self) -> Path:
        """Subword counts by checkpoint, task and language."""
        return self.root / "samples" / "subwords.parquet"

    @property
    def features(self) -> Path:
        """The cache of tokenised data."""
        return self.root / "features"

    @property
    def frozen_states(self) -> Path:
        """States of layers that no stage trains, by data."""
        return self.root / "frozen-states"

    def representations(self, checkpoint: str) -> Path:
        """Embeddings of the sample texts by a pretrained encoder (`.npz`; the rows are in `.parquet`)."""
        return self.root / "representations" / (checkpoint.replace("/", "__") + ".npz")

    def task_embeddings(self, checkpoint: str) -> Path:
        """Fisher information of every task through a pretrained encoder (`.npz`, one array a task)."""
        path = self.representations(checkpoint)
        return path.parent / "fisher" / path.name

    def labelled(self, checkpoint: str, intermediate: str, target: str) -> Path:
        """Labelled features of a target's training data after an intermediate (`.npz`)."""
        return self.labelled_folder(checkpoint) / intermediate / f"{target}.npz"

    def labelled_folder(self, checkpoint: str) -> Path:
        """All labelled features of one pretrained checkpoint."""
        return self.root / "representations" / "labelled" / checkpoint.replace("/", "__")

    def stage(self, stage_id: str) -> "StageDirectory":
        """The folder of a stage."""
        return StageDirectory(self.root / "stages" / stage_id)


@dataclass(frozen=True)
class CheckpointFiles:
    """The files of one checkpoint."""

    root: Path

    @property
    def encoder(self) -> Path:
        """The weights of the encoder, or of what a method trains beside it."""
        return self.root / "encoder.safetensors"

    @property
    def heads(self) -> Path:
        """The weights of the heads, named by their tasks."""
        return self.root / "heads.safetensors"


@dataclass(frozen=True)
class StageDirectory(CheckpointFiles):
    """`stages/ID/`: checkpoint, log, scores and predictions of one training run."""

    def kept(self, name: str) -> CheckpointFiles:
        """The checkpoint that is kept under a name beside the stage's own: of a selection rule, or `RULE/STEP`."""
        return CheckpointFiles(self.root / name)

    @property
    def lock(self) -> Path:
        """Held by the process that works on the stage."""
        return self.root / ".lock"

    @property
    def spec(self) -> Path:
        """What decides the stage's result."""
        return self.root / "stage.json"

    def languages(self, text: str) -> Path:
        """States of unlabelled text in several languages, where a grid compares them: of other text in another file."""
        return self.root / f"languages-{text}.safetensors"

    @property
    def state(self) -> Path:
        """Weights and optimizer in the middle of a long stage."""
        return self.root / "state.safetensors"

    @property
    def best(self) -> Path:
        """The score and step of the best checkpoint so far on dev data."""
        return self.root / "best.json"

    @property
    def log(self) -> Path:
        """One JSON line every few steps."""
        return self.root / "log.jsonl"

    @property
    def begun(self) -> Path:
        """The environments that its training was begun and taken up under."""
        return self.root / "begun.json"

    @property
    def failed(self) -> Path:
        """Why the stage stopped for good."""
        return self.root / "failed.json"

    @property
    def done(self) -> Path:
        """The done-marker, written last."""
        return self.root / "done.json"

    def scores(self, evaluation_id: str) -> Path:
        """Scores of one evaluation; its presence says that the evaluation is done."""
        return self.root / "scores" / f"{evaluation_id}.parquet"

    def examples(self, evaluation_id: str) -> Path:
        """Scores of its single examples."""
        return self.root / "scores" / f"{evaluation_id}.examples.parquet"

    def predictions(self, evaluation_id: str) -> Path:
        """Its predictions, one row an example."""
        return self.root / "scores" / f"{evaluation_id}.predictions.parquet"
