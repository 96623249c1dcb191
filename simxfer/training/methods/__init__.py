"""The training methods: one file each; what is trained, and how a batch is stepped.

The registry holds "module:attribute" strings, so that a grid can be checked and planned without torch.
"""

METHODS: dict[str, str] = {
    "full": "simxfer.training.methods.full:FullFineTuning",
}
