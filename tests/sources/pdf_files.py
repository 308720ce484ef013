"""PDF files written byte by byte."""

from collections.abc import Sequence


def pdf(
    *contents: bytes, side: int = 72, trailer: bytes = b"", extra: Sequence[bytes] = ()
) -> bytes:
    """A PDF of a square page for each content stream, in points; `extra` are further objects.

    The first `extra` is the resource /X of every page.
    """
    num_pages = len(contents)
    first_extra = 3 + 2 * num_pages
    kids = b" ".join(b"%d 0 R" % (3 + 2 * page) for page in range(num_pages))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%b] /Count %d >>" % (kids, num_pages),
    ]
    for page, content in enumerate(contents):
        resources = b"<< /XObject << /X %d 0 R >> >>" % first_extra if extra else b"<< >>"
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R "
            b"/Resources %b >>" % (side, side, 4 + 2 * page, resources)
        )
        objects.append(stream(content))
    return written([*objects, *extra], trailer)


def stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<< /Length %d %b >>\nstream\n%b\nendstream" % (len(content), entries, content)


def written(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    body = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    start = len(body)
    body += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    body += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    body += b"trailer\n<< /Size %d /Root 1 0 R %b >>\n" % (len(objects) + 1, trailer)
    return bytes(body + b"startxref\n%d\n%%%%EOF\n" % start)


def inked(share: float, side: int = 72, colour: bytes = b"0 0 0") -> bytes:
    """The content of a page of which about this share is covered by a bar at its foot."""
    return b"%b rg 0 0 %d %f re f" % (colour, side, share * side)


def encrypted(*contents: bytes) -> bytes:
    """A PDF that asks for a password: no key fits what its dictionary holds."""
    lock = b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%b> /U <%b> >>" % (b"a1" * 32, b"b2" * 32)
    return pdf(*contents, trailer=b"/Encrypt %b /ID [<00> <00>]" % lock)


def hanging(*contents: bytes, depth: int = 9) -> bytes:
    """A PDF whose pages `/X Do` draw a form that draws ten forms, and so on: 10^depth marks."""
    contents = contents or (b"/X Do",)
    # The objects are the catalogue, the pages, each page and its content, then the forms.
    second = 4 + 2 * len(contents)
    forms = [
        stream(
            b"/X Do " * 10,
            b"/Type /XObject /Subtype /Form /BBox [0 0 72 72] "
            b"/Resources << /XObject << /X %d 0 R >> >>" % (second + number),
        )
        for number in range(depth - 1)
    ]
    mark = stream(b"0 0 9 9 re f", b"/Type /XObject /Subtype /Form /BBox [0 0 72 72]")
    return pdf(*contents, extra=[*forms, mark])
