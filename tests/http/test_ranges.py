"""What a `Range` header comes to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satchel.http.ranges import Outcome, Part, parse_range

WHOLE, UNSATISFIABLE = Outcome.WHOLE, Outcome.UNSATISFIABLE
HUGE = "9" * 100

BOUNDARIES = [
    # From the start
    ("bytes=0-0", 10, Part(0, 1)),
    ("bytes=0-1", 10, Part(0, 2)),
    ("bytes=0-8", 10, Part(0, 9)),
    ("bytes=0-9", 10, Part(0, 10)),
    ("bytes=0-10", 10, Part(0, 10)),
    ("bytes=0-11", 10, Part(0, 10)),
    (f"bytes=0-{HUGE}", 10, Part(0, 10)),
    ("bytes=0-", 10, Part(0, 10)),
    # From the middle and the end
    ("bytes=1-1", 10, Part(1, 2)),
    ("bytes=4-5", 10, Part(4, 6)),
    ("bytes=4-", 10, Part(4, 10)),
    ("bytes=8-8", 10, Part(8, 9)),
    ("bytes=8-9", 10, Part(8, 10)),
    ("bytes=9-9", 10, Part(9, 10)),
    ("bytes=9-10", 10, Part(9, 10)),
    ("bytes=9-", 10, Part(9, 10)),
    # Beyond the end
    ("bytes=10-", 10, UNSATISFIABLE),
    ("bytes=10-10", 10, UNSATISFIABLE),
    ("bytes=10-20", 10, UNSATISFIABLE),
    ("bytes=11-", 10, UNSATISFIABLE),
    (f"bytes={HUGE}-", 10, UNSATISFIABLE),
    (f"bytes={HUGE}-{HUGE}", 10, UNSATISFIABLE),
    # Suffixes
    ("bytes=-1", 10, Part(9, 10)),
    ("bytes=-9", 10, Part(1, 10)),
    ("bytes=-10", 10, Part(0, 10)),
    ("bytes=-11", 10, Part(0, 10)),
    (f"bytes=-{HUGE}", 10, Part(0, 10)),
    ("bytes=-0", 10, UNSATISFIABLE),
    ("bytes=-00", 10, UNSATISFIABLE),
    # One byte, no byte, and more than 2^63
    ("bytes=0-", 1, Part(0, 1)),
    ("bytes=0-0", 1, Part(0, 1)),
    ("bytes=1-", 1, UNSATISFIABLE),
    ("bytes=-1", 1, Part(0, 1)),
    ("bytes=0-", 0, UNSATISFIABLE),
    ("bytes=0-0", 0, UNSATISFIABLE),
    ("bytes=1-", 0, UNSATISFIABLE),
    ("bytes=-0", 0, UNSATISFIABLE),
    ("bytes=-1", 0, WHOLE),
    (f"bytes={2**63 - 2}-", 2**63 - 1, Part(2**63 - 2, 2**63 - 1)),
    (f"bytes=-{2**63 - 1}", 2**63 - 1, Part(0, 2**63 - 1)),
    (f"bytes={2**63 - 1}-", 2**63 - 1, UNSATISFIABLE),
    # Other spellings of one range
    ("BYTES=0-0", 10, Part(0, 1)),
    ("bytes=00000-00001", 10, Part(0, 2)),
    (f"bytes={'0' * 100}1-2", 10, Part(1, 3)),
    ("bytes= 0-1", 10, Part(0, 2)),
    ("bytes=0-1 ", 10, Part(0, 2)),
    (" bytes=0-1\t", 10, Part(0, 2)),
    ("bytes=,0-1", 10, Part(0, 2)),
    ("bytes=0-1, ,", 10, Part(0, 2)),
    # Backwards is bad syntax
    ("bytes=1-0", 10, WHOLE),
    ("bytes=9-8", 10, WHOLE),
    ("bytes=20-10", 10, WHOLE),
    # More than one
    ("bytes=0-0,1-1", 10, WHOLE),
    ("bytes=0-0, 1-1", 10, WHOLE),
    ("bytes=0-0, -1", 10, WHOLE),
    ("bytes=20-, 30-", 10, WHOLE),
    ("bytes=0-0, bytes=1-1", 10, WHOLE),
    # Other units and bad syntax
    ("items=0-1", 10, WHOLE),
    ("bytes", 10, WHOLE),
    ("bytes=", 10, WHOLE),
    ("bytes=-", 10, WHOLE),
    ("bytes= ", 10, WHOLE),
    ("bytes=,", 10, WHOLE),
    ("bytes=1", 10, WHOLE),
    ("bytes=a-b", 10, WHOLE),
    ("bytes=0-1x", 10, WHOLE),
    ("bytes=0x0-0x1", 10, WHOLE),
    ("bytes=+0-1", 10, WHOLE),
    ("bytes=0--1", 10, WHOLE),
    ("bytes=--1", 10, WHOLE),
    ("bytes=0 - 1", 10, WHOLE),
    ("bytes =0-1", 10, WHOLE),
    ("bytes:0-1", 10, WHOLE),
    ("bytes=0.0-1", 10, WHOLE),
    ("bytes=1_0-", 100, WHOLE),
    ("bytes=\u0660-\u0661", 10, WHOLE),
    ("bytes=²-", 10, WHOLE),
    ("bytes=0-1\n", 10, WHOLE),
    ("0-1", 10, WHOLE),
    ("", 10, WHOLE),
]


@pytest.mark.parametrize(("header", "size", "outcome"), BOUNDARIES)
def test_boundaries(header, size, outcome):
    """A header comes to the part, the whole, or the refusal that the table says."""
    assert parse_range(header, size) == outcome


@pytest.mark.parametrize(
    "header",
    [
        "bytes=" + ",".join("0-0" for _ in range(100_000)),
        "bytes=" + "," * 1_000_000,
        "bytes=" + " " * 1_000_000 + "x",
        "bytes=" + "9" * 1_000_000 + "x",
        "bytes=" + "0" * 1_000_000 + "-x",
    ],
)
def test_long_headers_cost_little(header):
    """A header of a million characters is read in one pass; a quadratic parser would not end."""
    assert parse_range(header, 10) is WHOLE


SIZES = st.integers(0, 2**63 - 1)


@given(st.one_of(st.text(), st.from_regex(r"bytes=[0-9]{0,25}-[0-9]{0,25}(,[0-9]{0,3}-)?")), SIZES)
def test_a_part_lies_inside(header, size):
    """Whatever is asked, a part has at least one byte and lies within the file."""
    outcome = parse_range(header, size)
    if isinstance(outcome, Part):
        assert 0 <= outcome.start < outcome.stop <= size
    else:
        assert outcome in set(Outcome)


@given(st.binary(min_size=1, max_size=50), st.data())
def test_a_part_is_what_slicing_gives(content, data):
    """The bytes of a part are those that the two numbers name, the last one included."""
    first = data.draw(st.integers(0, len(content) - 1))
    last = data.draw(st.integers(first, 2 * len(content)))
    for header, expected in [
        (f"bytes={first}-{last}", content[first : last + 1]),
        (f"bytes={first}-", content[first:]),
        (f"bytes=-{last + 1}", content[-(last + 1) :]),
    ]:
        part = parse_range(header, len(content))
        assert isinstance(part, Part)
        assert content[part.start : part.stop] == expected
