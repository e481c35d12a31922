"""Removes each safeguard in turn, in a copy of the tree, and shows that a test goes red: `make mutations`.

A safeguard that can be removed without any test noticing is not tested. The copies are thrown away.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from mutation import Mutation
from threats import MUTATIONS as THREATS

from faults import MUTATIONS as FAULTS

ROOT = Path(__file__).resolve().parents[2]
LISTS = {"faults": FAULTS, "threats": THREATS}
AT_ONCE = 2
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "node_modules", "data", ".*_cache", "__pycache__", ".artifacts")
LENT = (".venv", "node_modules")  # to every copy
PASSED, FAILED = 0, 1  # https://docs.pytest.org/en/stable/reference/exit-codes.html


def copied(tree: Path) -> Path:
    """Make a copy of the tree."""
    shutil.copytree(ROOT, tree, ignore=LEFT_OUT, symlinks=True)
    for name in LENT:
        (tree / name).symlink_to(ROOT / name)
    return tree


def build(tree: Path) -> None:
    """Build the file manager of a tree anew, where it is not up to date."""
    installed = [argument for name in LENT for argument in ("-o", f"{name}/.installed")]
    subprocess.run(["make", *installed, "backend/satchel/static/.built"], cwd=tree, check=True, capture_output=True)


def runs(tree: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests of a tree on its own code."""
    paths = [f"tests/{test}" for test in tests]
    build(tree)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", *paths],
        cwd=tree, env={**os.environ, "PYTHONPATH": str(tree / "backend")},
        check=False, capture_output=True, text=True,
    )  # fmt: skip


def survives(tree: Path, mutation: Mutation) -> str:
    """Apply a mutation to the tree and run its test; what is wrong then, or nothing where the test went red."""
    path = tree / mutation.folder / mutation.path
    code = path.read_text()
    if code.count(mutation.code) != 1:
        return "the code is not there any more, or more than once"
    path.write_text(code.replace(mutation.code, mutation.instead))
    try:
        done = runs(tree, mutation.test)
    finally:
        path.write_text(code)
    if done.returncode == FAILED:
        return ""
    return "SURVIVED" if done.returncode == PASSED else f"the test could not run:\n{done.stdout}{done.stderr}"


def main() -> int:
    """Try those whose safeguard has one of the words, or all; of one list, or of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="try only safeguards with one of these words")
    parser.add_argument("--list", choices=LISTS, help="try only those of this list")
    arguments = parser.parse_args()
    listed = [m for name, mutations in LISTS.items() if arguments.list in {None, name} for m in mutations]
    chosen = [m for m in listed if not arguments.words or any(word in m.safeguard for word in arguments.words)]
    with tempfile.TemporaryDirectory(prefix="satchel-mutations-") as directory:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(AT_ONCE):
            trees.put(copied(Path(directory) / str(number)))

        def attempt(mutation: Mutation) -> str:
            tree = trees.get()
            try:
                return survives(tree, mutation)
            finally:
                trees.put(tree)

        tree = trees.get()
        whole = runs(tree, *dict.fromkeys(mutation.test for mutation in chosen))
        trees.put(tree)
        if whole.returncode != PASSED:
            print(f"The tests are red with all safeguards in place:\n{whole.stdout}{whole.stderr}")
            return 1
        failures = 0
        with ThreadPoolExecutor(AT_ONCE) as attempts:
            for mutation, wrong in zip(chosen, attempts.map(attempt, chosen), strict=True):
                failures += bool(wrong)
                print(f"without {mutation.safeguard}: {wrong or 'caught'} ({mutation.test})", flush=True)
    print(f"{len(chosen) - failures} of {len(chosen)} mutations caught")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
