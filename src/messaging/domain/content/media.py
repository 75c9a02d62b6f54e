"""Checks of media references: each has exactly one of a link the provider can fetch and the id of an uploaded file."""

import re

from messaging.domain.content.links import link_problem
from messaging.domain.content.parameters import MediaRef
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.text import is_clean_line, text_violations

# The provider sets no limit; 240 fits every file system on which recipients save the file.
MAX_FILENAME = 240
_MEDIA_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def media_violations(pointer: str, media: MediaRef, *, https_only: bool, uploads: bool = True) -> list[Violation]:
    """Violations of a media reference; `pointer` leads to the object that holds it, `uploads` says whether the provider
    keeps files that are named by an id.
    """
    if (media.link is None) == (media.media_id is None):
        detail = "Give exactly one of link (a public URL) and media_id (uploaded to the provider before)."
        return [Violation(pointer=pointer, code="media_source_invalid", detail=detail)]
    if media.link is not None and (problem := link_problem(media.link, https_only=https_only)) is not None:
        return [Violation(pointer=f"{pointer}/link", code="link_invalid", detail=problem)]
    if media.media_id is not None and not uploads:
        detail = "This channel has no uploaded files. Give a link (a public URL) in place of media_id."
        return [Violation(pointer=f"{pointer}/media_id", code="media_source_invalid", detail=detail)]
    if media.media_id is not None and not _MEDIA_ID.fullmatch(media.media_id):
        detail = "Not a media id. Use the id that the provider returned for the upload."
        return [Violation(pointer=f"{pointer}/media_id", code="media_source_invalid", detail=detail)]
    return []


def filename_violations(pointer: str, filename: str | None) -> list[Violation]:
    """Violations of a file name, which is one line and no path."""
    if filename is None:
        return []
    if not is_clean_line(filename) or "/" in filename or "\\" in filename:
        detail = "A file name has no slashes, line breaks or control characters. Send the bare name, like invoice.pdf."
        return [Violation(pointer=pointer, code="filename_invalid", detail=detail)]
    return text_violations(pointer, filename, limit=MAX_FILENAME)
