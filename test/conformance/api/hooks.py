"""What schemathesis cannot know by itself: what a customization's archive looks like, and how links read Location."""

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


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Spells the extension of our links as schemathesis reads a part of a header; OpenAPI has no expression for one."""
    for path in raw_schema["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                for link in response.get("links", {}).values():
                    made = link.pop("x-location-parameter", None)
                    if made is not None:
                        link["parameters"][made] = "$response.header.Location#regex:([^/]+)$"
