"""Removes each safeguard in turn, in a copy of the tree, and shows that a test goes red: `make mutations`.

A safeguard that can be removed without any test noticing is not tested. The copy is thrown away.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "node_modules", "data", ".*_cache", "__pycache__", ".artifacts")
PASSED, FAILED = 0, 1  # https://docs.pytest.org/en/stable/reference/exit-codes.html


class Mutation(NamedTuple):
    """A safeguard; the code that is it, once in its file; what stands there instead; and the test that must notice."""

    safeguard: str
    path: str
    code: str
    instead: str
    test: str


MUTATIONS = [
    Mutation(
        "the fsync of a new object",
        "blobs/local.py",
        "            os.fsync(fd)\n        finally:\n            os.close(fd)\n        reach",
        "            pass\n        finally:\n            os.close(fd)\n        reach",
        "faults/test_safeguards.py::test_a_file_is_durable_and_then_its_name",
    ),
    Mutation(
        "the fsync of its directory",
        "blobs/local.py",
        '        reach("U3.stored")\n        self._store.fsync_parent(self._name)\n',
        '        reach("U3.stored")\n',
        "faults/test_safeguards.py::test_a_file_is_durable_and_then_its_name",
    ),
    Mutation(
        "the fence on the row of an upload",
        "metadata/publishing.py",
        "!= wanted:\n        raise _lease_lost()",
        "!= wanted:\n        pass",
        "metadata/test_metadata_publish.py::test_the_sweeper_is_fenced_off",
    ),
    Mutation(
        "the same, seen from outside",
        "metadata/publishing.py",
        "!= wanted:\n        raise _lease_lost()",
        "!= wanted:\n        pass",
        "faults/test_connections.py::test_a_server_that_sleeps_at_the_door_of_the_transaction",
    ),
    Mutation(
        "the second look at an object that came after its sweeper",
        "metadata/database.py",
        "if not object_names and written is not None:",
        "if False:",
        "faults/test_connections.py::test_a_server_that_sleeps_past_its_lease",
    ),
    Mutation(
        "the lock on a blob whose last file goes",
        "metadata/database.py",
        "order_by(blobs.c.sha256, files.c.id).with_for_update())",
        "order_by(blobs.c.sha256, files.c.id))",
        "faults/test_safeguards.py::test_a_deletion_waits_for_those_who_have_the_blob",
    ),
    Mutation(
        "the event horizon",
        "metadata/eventlog.py",
        "_SETTLED = events.c.transaction < oldest_running_transaction()",
        "_SETTLED = events.c.transaction <= oldest_running_transaction() + 1_000_000",
        "metadata/test_metadata_postgresql.py::test_what_commits_late_is_not_skipped",
    ),
    Mutation(
        "Connection: close",
        "http/guards.py",
        '                MutableHeaders(raw=message["headers"])["connection"] = "close"\n',
        "",
        "http/test_uploads.py::test_a_refusal_comes_before_the_body_and_the_connection_is_cut",
    ),
    Mutation(
        "the shield round the publication",
        "files.py",
        "published = await asyncio.shield(publishing)",
        "published = await publishing",
        "faults/test_safeguards.py::test_a_client_that_leaves_in_the_publication",
    ),
    Mutation(
        "the size of what S3 stored",
        "blobs/s3/writer.py",
        "if found != self._size:",
        "if False:",
        "blobs/test_s3_faults.py::test_what_is_stored_is_counted",
    ),
    Mutation(
        "the size of what is read",
        "blobs/local.py",
        "if (found := os.fstat(fd).st_size) != size:",
        "if (found := os.fstat(fd).st_size) < 0:",
        "blobs/test_blob_contract.py::test_an_object_of_another_size_is_damaged",
    ),
    Mutation(
        "the hash of whole downloads",
        "blobs/verified.py",
        "if (found := self._digest.hexdigest()) != self._sha256:",
        "if (found := self._sha256) != self._sha256:",
        "blobs/test_verified_reads.py::test_the_end_of_what_is_wrong_does_not_come",
    ),
    Mutation(
        "the same, seen from outside",
        "blobs/verified.py",
        "if (found := self._digest.hexdigest()) != self._sha256:",
        "if (found := self._sha256) != self._sha256:",
        "faults/test_damage.py::test_damaged_bytes_never_pass_for_a_file",
    ),
    Mutation(
        "the end of what is withheld until all bytes are hashed",
        "blobs/verified.py",
        "self._free = max(0, size - HELD_BACK)",
        "self._free = size",
        "faults/test_damage.py::test_damaged_bytes_never_pass_for_a_file",
    ),
    Mutation(
        "the connection of a subscriber that does not read",
        "http/connections/websockets.py",
        "        if not self.writable.is_set():\n            self.transport.abort()\n",
        "",
        "faults/test_subscribers.py::test_subscribers_that_never_read",
    ),
    Mutation(
        "the memory of the events that were told",
        "graphql/schema.py",
        "        executor._relevant_sub_fields = {}  # noqa: SLF001 - a test pins it\n",
        "",
        "graphql/test_subscriptions.py::test_what_was_told_is_not_kept",
    ),
    Mutation(
        "the head of an empty body",
        "blobs/s3/wire.py",
        "max(1, len(self._data))",
        "len(self._data)",
        "blobs/test_s3_faults.py::test_a_connection_that_was_lost_before_the_body_is_told_of_by_the_body",
    ),
    Mutation(
        "the look into the body of a 200",
        "blobs/s3/bucket.py",
        "if not result.etag:",
        "if False:",
        "blobs/test_s3_faults.py::test_a_failure_in_a_200_is_no_success",
    ),
    Mutation(
        "asking again until the store says itself that an upload is complete",
        "blobs/s3/bucket.py",
        "            except S3Error as error:\n                # It was completed",
        "            except FAULTS as error:\n                if await self.size(name):\n                    return\n"
        "                # It was completed",
        "blobs/test_s3_faults.py::test_what_the_store_did_not_complete_to_its_end_is_completed",
    ),
    Mutation(
        "the end of what would begin after everybody gave up",
        "blobs/s3/bucket.py",
        "                multipart.cancel()  #",
        "                pass  #",
        "blobs/test_s3_faults.py::test_an_abort_ends_what_would_begin_later",
    ),
    Mutation(
        "the refusal of a link in the place of an object",
        "blobs/local.py",
        "flags | os.O_NOFOLLOW",
        "flags",
        "blobs/test_local_blobs.py::test_a_planted_link_is_not_followed",
    ),
    Mutation(
        "the refusal of a link on the way to it",
        "blobs/local.py",
        "os.O_DIRECTORY | os.O_NOFOLLOW",
        "os.O_DIRECTORY",
        "blobs/test_local_blobs.py::test_a_planted_link_to_a_directory_is_not_followed",
    ),
    Mutation(
        "the one spelling of an id",
        "files.py",
        're.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")',
        're.compile(r"(urn:uuid:)?[{]?[0-9A-Fa-f-]{32,36}[}]?")',
        "http/test_content.py::test_a_file_has_one_name",
    ),
    Mutation(
        "the escapes of the log for people",
        "logs.py",
        "            _printable,\n",
        "",
        "test_logs.py::test_no_client_writes_into_the_log_as_it_likes",
    ),
    Mutation(
        "the silence of tracebacks about values",
        "logs.py",
        "show_locals=False",
        "show_locals=True",
        "test_logs.py::test_no_client_writes_into_the_log_as_it_likes",
    ),
    Mutation(
        "the refusal to follow the store elsewhere",
        "blobs/s3/bucket.py",
        "        tracing.on_request_redirect.append(_refuse_redirect)\n",
        "",
        "blobs/test_s3_faults.py::test_no_redirect_is_followed",
    ),
    Mutation(
        "the same, seen from outside",
        "blobs/s3/bucket.py",
        "        tracing.on_request_redirect.append(_refuse_redirect)\n",
        "",
        "instances/test_unfaithful_stores.py::test_the_server_connects_to_its_database_and_store_alone",
    ),
    Mutation(
        "the silence about what the store said",
        "blobs/s3/failures.py",
        'raise SatchelError(Code.STORE_UNAVAILABLE, "The blob store failed; try again later.")',
        "raise SatchelError(Code.STORE_UNAVAILABLE, str(error))",
        "instances/test_unfaithful_stores.py::test_no_answer_tells_of_the_store",
    ),
    Mutation(
        "the end of what a client left",
        "http/content.py",
        "        finally:\n            await self._blob.aclose()\n",
        "        finally:\n            pass\n",
        "http/test_content.py::test_clients_that_ask_and_leave_hold_no_connection_to_the_store",
    ),
    Mutation(
        "the lock on a blob that others publish too",
        "metadata/publishing.py",
        '            put = put.on_conflict_do_update(index_elements=[blobs.c.sha256], set_={"size": blobs.c.size})\n',
        "",
        "http/test_uploads.py::test_identical_bytes_uploaded_at_once_are_stored_once",
    ),
    Mutation(
        "the bound on what validation compares",
        "graphql/limits.py",
        "if meter.repeats() > limits.repeats:",
        "if False:",
        "graphql/test_query_limits.py::test_an_operation_that_asks_for_too_much_is_refused",
    ),
    Mutation(
        "the bound on mistakes that are told",
        "graphql/operation.py",
        "MAX_ERRORS = 20",
        "MAX_ERRORS = 10_000",
        "graphql/test_query_limits.py::test_an_answer_does_not_list_every_mistake",
    ),
    Mutation(
        "the turns of others between frames",
        "http/connections/websockets.py",
        "FRAMES_AT_ONCE = 8 * KIB",
        "FRAMES_AT_ONCE = 1024 * KIB",
        "http/test_turns.py::test_one_read_of_frames_takes_many_turns",
    ),
    Mutation(
        "the turns of others between chunks",
        "http/connections/requests.py",
        "\nAT_ONCE = 32 * KIB",
        "\nAT_ONCE = 1024 * KIB",
        "http/test_turns.py::test_one_read_of_small_chunks_takes_many_turns",
    ),
    Mutation(
        "the turns of others between events",
        "events/__init__.py",
        "                async with self._turn:\n                    await asyncio.sleep(0)\n",
        "",
        "events/test_event_log.py::test_in_each_turn_of_the_loop_one_event_is_told",
    ),
    Mutation(
        "not parsing ahead what is not answered yet",
        "http/connections/requests.py",
        "return not self.pipeline",
        "return True",
        "http/test_turns.py::test_of_many_requests_in_one_read_few_are_parsed_ahead",
    ),
    Mutation(
        "not listening to a peer that takes no answers",
        "http/connections/websockets.py",
        "return self.writable.is_set() and not self.read_paused",
        "return not self.read_paused",
        "http/test_turns.py::test_a_peer_that_takes_no_answers_is_not_read",
    ),
    Mutation(
        "the object going before its row",
        "sweeper.py",
        "                await self._blobs.delete(name)\n",
        "                await self._metadata.forget_garbage([name])\n                await self._blobs.delete(name)\n",
        "faults/test_failpoints.py::test_a_sweep[embedded-S.removed]",
    ),
    Mutation(
        "the intent coming before the object",
        "intake.py",
        "        upload_id = await self._metadata.begin_upload(object_name, self._settings.upload_lease)\n"
        '        reach("U1.intended")\n        try:\n            writer = await self._blobs.create(object_name)\n',
        "        writer = await self._blobs.create(object_name)\n"
        '        reach("U1.intended")\n'
        "        upload_id = await self._metadata.begin_upload(object_name, self._settings.upload_lease)\n"
        "        try:\n            pass\n",
        "faults/test_failpoints.py::test_an_upload[embedded-U1.intended]",
    ),
]


def runs(tree: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests of a tree on its own code."""
    paths = [f"tests/{test}" for test in tests]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", *paths],
        cwd=tree, env={**os.environ, "PYTHONPATH": str(tree / "backend")},
        check=False, capture_output=True, text=True,
    )  # fmt: skip


def survives(tree: Path, mutation: Mutation) -> str:
    """Apply a mutation to the tree and run its test; what is wrong then, or nothing where the test went red."""
    path = tree / "backend/satchel" / mutation.path
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
    """Try those whose safeguard has one of the words, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="try only safeguards with one of these words")
    words = parser.parse_args().words
    chosen = [m for m in MUTATIONS if not words or any(word in m.safeguard for word in words)]
    with tempfile.TemporaryDirectory(prefix="satchel-mutations-") as directory:
        tree = Path(directory) / "tree"
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT, symlinks=True)
        whole = runs(tree, *dict.fromkeys(mutation.test for mutation in chosen))
        if whole.returncode != PASSED:
            print(f"The tests are red with all safeguards in place:\n{whole.stdout}{whole.stderr}")
            return 1
        failures = 0
        for mutation in chosen:
            wrong = survives(tree, mutation)
            failures += bool(wrong)
            print(f"without {mutation.safeguard}: {wrong or 'caught'} ({mutation.test})", flush=True)
    print(f"{len(chosen) - failures} of {len(chosen)} mutations caught")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
