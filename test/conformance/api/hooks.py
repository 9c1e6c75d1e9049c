"""What schemathesis cannot know by itself: what a customization's archive looks like."""

import io
import tarfile

import schemathesis
from hypothesis import strategies as st


def archive_of(path: str, content: bytes) -> bytes:
    """A tar.gz that lays one file over an image."""
    member = tarfile.TarInfo(f"rootfs/opt/{path}")
    member.size = len(content)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


ARCHIVES = st.builds(archive_of, st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.binary(max_size=64))

schemathesis.openapi.media_type("application/gzip", ARCHIVES)
