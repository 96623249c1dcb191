"""simxfer: when does an intermediate task help zero-shot cross-lingual transfer?

The training core. It makes tables of scores and knows no statistics; those live in `analyses`.

The road from the command to a forward pass; each name calls the next:

- `simxfer.cli.main.train`: parses `simxfer train GRID`.
- `simxfer.run.train.train_grid`: grid file to run directory. On its way it makes the plan, pure:
  `simxfer.grid.file.load_grid`, then `simxfer.grid.expand.expand` to `simxfer.grid.plan.Plan`.
- `simxfer.run.local.run_local`: starts a process for each CPU core or GPU.
- `simxfer.run.worker.work`: takes the most urgent free stage, until none is left.
- `simxfer.run.stages.StageRunner.work`: one stage, its parent's checkpoint to its own, then its scores.
- `simxfer.training.loop.fit`: the one loop over steps, fed by `simxfer.encoder.batching.collate`.
- `simxfer.training.methods.method.Method.loss`: the method, by its name in
  `simxfer.training.methods.METHODS`.
- `simxfer.encoder.losses.loss_sum`: the loss of the task's kind.
- `simxfer.encoder.network.TransferModel.forward`: hidden states, then the task's head.

The road of an evaluation leaves at `StageRunner.work`:

- `simxfer.scoring.evaluate.evaluate`: one target in all its languages, to rows of scores.
- `simxfer.scoring.answers.answers`: what the model answers, by kind of task.
- `simxfer.scoring.predict`: batches through the model, and its logits or vectors to answers.
- `simxfer.scoring.record.Answers.score`: answers against gold, by a measure of `simxfer.metrics`.
- `simxfer.run.results.gather`: the scores of all stages, to the results table.
"""

__version__ = "0.1.0"
