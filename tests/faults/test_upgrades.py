"""An upgrade under load, while the version before goes on beside it: F25.

There is no release before this one, so this one is the older, and the newer is made of it with one more revision of the
tables, such as those before it.
"""

import asyncio
import shutil
from pathlib import Path

import pytest
from aftermath import GRACE
from storm import CUT, survived

import satchel
from satchel.metadata.migrations import HEAD

SETTINGS = {"upload_lease": "5s", "sweep_interval": "0.3s", "delete_grace": GRACE}
REVISION = f'''"""One more column."""

import sqlalchemy as sa
from alembic import op

revision = "next"
down_revision = "{HEAD}"


def upgrade() -> None:
    """Add it, so that who does not know it can go on."""
    op.add_column("files", sa.Column("next", sa.Text, nullable=False, server_default=""))
'''


@pytest.fixture
def next_version(tmp_path):
    """Where the newer version is imported from."""
    root, package = tmp_path / "next", Path(satchel.__file__).parent
    shutil.copytree(package, root / "satchel", ignore=shutil.ignore_patterns("static", "__pycache__"))
    migrations = root / "satchel" / "metadata" / "migrations"
    (migrations / "versions" / "next.py").write_text(REVISION)
    code, head = (migrations / "__init__.py").read_text(), f'HEAD = "{HEAD}"'
    assert code.count(head) == 1
    (migrations / "__init__.py").write_text(code.replace(head, 'HEAD = "next"'))
    return root


@pytest.fixture
async def newer(whole_server, next_version, place, monkeypatch):
    """A server of the newer version on the same place, which the test starts."""
    server = whole_server(**place, **SETTINGS)

    async def start(port):
        server.port = port
        with monkeypatch.context() as environment:
            environment.setenv("PYTHONPATH", str(next_version))
            return await server.start()

    yield start
    await server.kill()


async def test_an_upgrade_under_load(start, stack_kind, place, command, newer, tmp_path, report):
    """Nothing is lost, who asks the older version beside it does not notice, and nobody can go back by mistake."""
    servers = [await start(**SETTINGS) for _ in range(2 if stack_kind == "scaled" else 1)]
    last = len(servers) - 1

    async def disturb():
        await asyncio.sleep(1)
        await servers[last].stop()
        servers[last] = await newer(servers[last].port)
        await asyncio.sleep(2)

    checker = await survived(servers, tmp_path, disturb, lambda code, at: at == last and code in CUT, uploaders=2)
    assert servers[last].kept.query("SELECT version_num FROM alembic_version") == [("next",)]
    await servers[last].stop()
    code, told = await command("serve", "--port", "0", **place)
    assert (code, told.count("newer version of Satchel")) == (2, 1)
    how = "beside the older one" if last else "in place of the older one"
    report(f"F25: a newer version started {how}, which refused to start again, {checker.summary()}")
