"""Units of perturbations: grapheme clusters as the regex library and Unicode have them, in many languages."""

import json

from simxfer.sources.perturb import clusters


def test_clusters_are_those_of_unicode(oracles):
    stored = json.loads((oracles / "perturb" / "graphemes.json").read_text(encoding="utf-8"))
    cases = {
        name: case for name, case in stored.items() if isinstance(case, dict) and "clusters_regex" in case
    }
    assert len(cases) >= 5
    for name, case in cases.items():
        assert clusters(case["text"]) == case["clusters_regex"], name
