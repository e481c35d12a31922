"""The example of a `.env` file is the list of all settings, so it must not lag behind them."""

import re
from pathlib import Path

import pytest

from satchel.config import Settings

EXAMPLE = (Path(__file__).parents[1] / ".env.example").read_text()


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    """Neither the environment nor a .env file of this machine decides."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SATCHEL_{name.upper()}", raising=False)


def test_the_example_explains_every_setting_in_the_words_of_the_code():
    """Each has a comment of its own; a setting that is added, renamed or dropped changes the example too."""
    explained = {
        name.lower(): " ".join(re.findall(r"^# (.*)$", comment, flags=re.MULTILINE))
        for comment, name in re.findall(r"((?:^# (?!SATCHEL_\w+=).*\n)*)^# SATCHEL_(\w+)=", EXAMPLE, flags=re.MULTILINE)
    }
    assert explained == {name: field.description for name, field in Settings.model_fields.items()}


def test_the_example_shows_the_defaults(tmp_path):
    """Taking the example's comment marks away changes nothing."""
    env = tmp_path / "all.env"
    env.write_text(re.sub(r"^# (?=SATCHEL_)", "", EXAMPLE, flags=re.MULTILINE))
    assert Settings(_env_file=env) == Settings()
