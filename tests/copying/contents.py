"""What a stack holds, put there and looked at without a server."""

from dataclasses import replace

from satchel.metadata import FileFilter, FileOrder


async def upload(stack, name="a.txt", data=b"data", key=None):
    async with stack.files.intake() as intake:
        started = await intake.start(name, None)
        await started.write(memoryview(data))
        await started.finish()
        return (await stack.files.publish(started, idempotency_key=key)).record


async def all_files(stack):
    page = await stack.metadata.list_files(1000, None, FileFilter(), FileOrder.UPLOAD_DATE_ASC)
    return {record.id: record for record in page.records}


async def content(stack, record):
    reader = await stack.files.read(record, 0, record.size)
    try:
        return b"".join([chunk async for chunk in reader])
    finally:
        await reader.aclose()


def apart_from_place(records):
    """Records without the names of their objects, which each store chooses for itself."""
    return {file_id: replace(record, object_name="") for file_id, record in records.items()}
