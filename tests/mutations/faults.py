"""The safeguards by which nothing is lost: of the order of steps, of locks, and of what a client or a store leaves."""

from mutation import Mutation

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
        "graphql/executor.py",
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
        "the turns of downloads with connections to the store",
        "blobs/s3/reader.py",
        "if self._bucket.turns.locked():",
        "if False:",
        "blobs/test_s3_blobs.py::test_downloads_take_turns_where_connections_are_few",
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
        "the lock on a blob that others publish too",
        "metadata/publishing.py",
        '            put = put.on_conflict_do_update(index_elements=[blobs.c.sha256], set_={"size": blobs.c.size})\n',
        "",
        "http/test_uploads.py::test_identical_bytes_uploaded_at_once_are_stored_once",
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
