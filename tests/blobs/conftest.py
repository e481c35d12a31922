"""Blob stores of each kind."""

from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from satchel.blobs.s3 import Bucket, S3BlobStore
from satchel.config import Settings
from satchel.files import FileService
from satchel.metadata import Metadata
from unreliable import UnreliableProxy


@pytest.fixture(scope="session")
def bucket_url(seaweed):
    """A bucket for all tests that look only at their own objects."""
    return seaweed.new_bucket_url()


@pytest.fixture
def bucket(bucket_url):
    """The name of that bucket."""
    return urlsplit(bucket_url).path.strip("/")


@pytest.fixture
def s3_keys(seaweed):
    """The keys to the S3 server."""
    return {"access_key": seaweed.access_key, "secret_key": seaweed.secret_key}


@pytest.fixture
def s3_at(s3_keys):
    """Gives a context that opens the S3 store at a URL."""

    @asynccontextmanager
    async def opened(url, part=0, **settings):
        store = S3BlobStore(Bucket(url, **s3_keys, **settings), part)
        await store.open()
        try:
            yield store
        finally:
            await store.close()

    return opened


@pytest.fixture
async def s3(s3_at, bucket_url):
    """The S3 store."""
    async with s3_at(bucket_url) as store:
        yield store


@pytest.fixture(params=["local", "s3"])
def store(request):
    """An opened store of each kind."""
    return request.getfixturevalue(request.param)


@pytest.fixture
async def proxy(seaweed):
    """A way to the S3 server on which things go wrong."""
    async with UnreliableProxy(seaweed.host, seaweed.port) as proxy:
        yield proxy


@pytest.fixture
async def faulty(s3_at, proxy, bucket):
    """The S3 store behind the proxy."""
    async with s3_at(f"s3+http://{proxy.host}:{proxy.port}/{bucket}") as store:
        proxy.seen.clear()
        yield store
        proxy.heal()


@pytest.fixture
async def s3_files(faulty, tmp_path):
    """The domain over the store behind the proxy, with 48 MiB for uploads."""
    settings = Settings(_env_file=None, data_dir=tmp_path, upload_memory=48 * 1024 * 1024)
    metadata = Metadata(settings.database)
    await metadata.open()
    files = FileService(metadata, faulty, settings, changed=lambda: None, reclaim=lambda: None)
    yield files
    await files.tasks.drain()
    await metadata.close()
