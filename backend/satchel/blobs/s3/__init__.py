"""Blobs as objects of one bucket, in MinIO or any store that speaks S3."""

from .bucket import Bucket
from .store import S3BlobStore
from .writer import equal_parts

__all__ = ["Bucket", "S3BlobStore", "equal_parts"]
