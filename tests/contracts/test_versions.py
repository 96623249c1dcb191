"""What is computed does not change without its version: ids of finished stages stand for what they were.

The world's VERSION is held in tests/world/test_world_describe.py.
"""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reference" / "versions"))

import computed

MAKE_ANEW = "`python tests/reference/versions/computed.py` writes the file anew"


@pytest.mark.parametrize("part", list(computed.VERSIONS))
def test_what_is_computed_is_what_its_version_stands_for(part):
    stored, version = json.loads(computed.FILE.read_text())[part], computed.VERSIONS[part]
    now = json.loads(json.dumps(getattr(computed, part)()))
    changed = computed.differing(stored["of"], now)
    assert not changed, f"{part} of {changed} changed: raise {version}, then {MAKE_ANEW}"
    assert stored["version"] == getattr(computed.identity, version), f"{version} was raised: {MAKE_ANEW}"


def test_a_change_is_seen():
    stored = json.loads(computed.FILE.read_text())["results"]["of"]
    assert not computed.differing(stored, stored)
    name = next(name for name in stored if not name.endswith("predicted"))
    assert not computed.differing(stored, stored | {name: [x * (1 + 1e-5) for x in stored[name]]})
    assert computed.differing(stored, stored | {name: [x * 1.01 for x in stored[name]]}) == [name]
    assert computed.differing(stored, {k: v for k, v in stored.items() if k != name}) == [name]
