"""The security page keeps up with the code: its settings and codes exist, and so do the tests that it names."""

import re
from pathlib import Path

from satchel.config import Settings
from satchel.errors import Code

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "SECURITY.md").read_text()


def test_every_limit_stands_on_the_page():
    """Each setting that bounds what a client may do, and no setting that there is not."""
    named = set(re.findall(r"SATCHEL_(\w+)", PAGE))
    known = {name.upper() for name in Settings.model_fields}
    bounds = {name for name in known if name.startswith(("MAX_", "MIN_")) or name.endswith("_TIMEOUT")}
    assert named <= known
    assert bounds - {"SHUTDOWN_TIMEOUT"} <= named


def test_the_codes_and_tests_that_it_names_exist():
    """A test that moves, or a code that is renamed, changes the page."""
    rows = re.findall(r"^\| .* \|$", PAGE, flags=re.MULTILINE)
    codes = {code for row in rows for code in re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", row)}
    assert {code for code in codes if not code.startswith("SATCHEL_")} <= Code.__members__.keys()
    tests = re.findall(r"`(tests/[\w/.]+)`", PAGE)
    assert tests
    assert [test for test in tests if not (ROOT / test).exists()] == []
