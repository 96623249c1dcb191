"""Writes mixed_models.csv, the simulated grid that the reference fits share (run from the repository root)."""

from pathlib import Path

import numpy as np

from analyses.inference import Truth, simulate_grid

truth = Truth(
    sources=7,
    targets=6,
    languages=5,
    seeds=2,
    slope=0.8,
    slope_by_source=0.4,
    slope_by_target=0.8,
    missing=0.1,
)
rng = np.random.default_rng(2024)
data = simulate_grid(rng, truth)[["intermediate", "target", "language", "seed", "similarity", "gain"]]
data["family"] = data["language"].map(
    {"en": "f0", "x-l01": "f0", "x-l02": "f1", "x-l03": "f1", "x-l04": "f2"}
)
data["size"] = data["language"].map({"en": 3.0, "x-l01": 1.0, "x-l02": 2.5, "x-l03": 0.5, "x-l04": 1.5})
data["method"] = np.array(["adapter", "full", "lora"])[rng.integers(0, 3, len(data))]
data["seed_group"] = "r" + (np.arange(len(data)) % 4).astype(str)
data.round(6).to_csv(Path(__file__).with_name("mixed_models.csv"), index=False)
