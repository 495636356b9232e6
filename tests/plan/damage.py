"""Damaged files: a document with some of its bytes wrong."""

from hypothesis import strategies as st


@st.composite
def mutated(draw: st.DrawFn, document: bytes) -> bytes:
    """A document with up to three of its bytes replaced, removed, or copied elsewhere."""
    content = bytearray(document)
    for _ in range(draw(st.integers(1, 3))):
        start, length = draw(st.integers(0, len(content) - 1)), draw(st.integers(0, 12))
        source = draw(st.integers(0, len(document) - 1))
        put = draw(st.sampled_from([b"", draw(st.binary(max_size=3)), document[source : source + length]]))
        content[start : start + length] = put or (b" " if len(content) <= length else b"")
    return bytes(content)
