"""The addresses beside those of the API: what is no part of the file manager's build is not served."""

from pathlib import Path

import pytest

import satchel
from raw import connected
from stacks import one_is_enough

pytestmark = one_is_enough

UP = [
    "..",
    "%2e%2e",
    "%2E.",
    "..%2f..",
    "..%2F..",
    "..%5c..",
    "..%252f..",
    "%c0%ae%c0%ae",
    "..;",
    "....//....",
    ".%00.",
]


@pytest.fixture(scope="module")
def asked(shared_server):
    """Asks for an address as it is written, which clients would tidy; gives the answer."""

    async def asked(address):
        async with connected(shared_server) as raw:
            await raw.request("GET", address, {})
            return await raw.answer()

    return asked


@pytest.mark.parametrize("up", UP)
@pytest.mark.parametrize("start", ["/", "/assets/", "/vendor/", "/files/", "//"])
async def test_no_address_leads_out_of_a_folder(asked, start, up):
    """Neither the code beside the folders nor the system's files are reached, in any spelling of the way up."""
    for depth in range(1, 5):
        for target in ("config.py", "satchel/config.py", "etc/passwd"):
            answer = await asked(f"{start}{f'{up}/' * depth}{target}")
            assert (answer.status, answer.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("root", ["/", "%2f", "%5c", "file:///", "C:%5c"])
@pytest.mark.parametrize("start", ["/", "/assets/", "/vendor/", "/files/"])
async def test_no_address_begins_at_the_root(asked, start, root):
    """An absolute path in an address is no path of the machine."""
    for target in (Path("/etc/passwd"), Path(satchel.__file__)):
        answer = await asked(f"{start}{root}{str(target).lstrip('/')}")
        assert (answer.status, answer.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "address", ["/%00", "/index.html%00", "/assets/%00.js", "/files/%00/download", "/%ff", "/%", "/" + "a" * 300]
)
async def test_what_names_no_file_is_not_found(asked, address):
    """NUL, bytes that are no text, and names that no file system takes are no failure of the server."""
    answer = await asked(address)
    assert (answer.status, answer.json()["code"]) == (404, "NOT_FOUND")
