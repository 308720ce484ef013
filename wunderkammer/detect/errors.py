"""What can be wrong with a detector. Every message gives value, limit and remedy."""


class DetectorError(ValueError):
    """A detector that can't be used."""


class WeightsNotFoundError(DetectorError):
    """There is no file of the name that a recipe gives."""


class DetectorFileError(DetectorError):
    """A file that holds no detector, a damaged one, or one of a kind that is not taken."""


class UnknownClassError(DetectorError):
    """A recipe asks for a class that the detector does not know."""


class BackendError(RuntimeError):
    """The asked-for way to compute can't be had here."""
