from fastapi import APIRouter
from satchel.metadata import FileRecord
router = APIRouter()
def preview_url(record: FileRecord) -> str | None:
    return f"/files/{record.id}"
def download_url(record: FileRecord) -> str:
    return f"/files/{record.id}/download"
