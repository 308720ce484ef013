"""What can be wrong with a segmenter. Every message gives value, limit and remedy."""


class SegmenterError(ValueError):
    """A segmenter that can't be used."""


class SegmenterNotFoundError(SegmenterError):
    """There is no file of the name that a recipe gives."""


class SegmenterFileError(SegmenterError):
    """A file that holds no segmenter, a damaged one, or one that asks for more than data."""
