"""What can be wrong with the file of a checkpoint. Every message gives value, limit and remedy."""


class CheckpointFileError(ValueError):
    """A checkpoint file that can't be taken in or given out."""


class UnreadablePickleError(CheckpointFileError):
    """The file is cut off, damaged, or not of the kind that we read."""


class HostilePickleError(CheckpointFileError):
    """The file asks for what no honest checkpoint needs, or for more than the limits allow."""


class UnsupportedNetworkError(CheckpointFileError):
    """The file is sound, but holds networks that we do not have."""


class UnwritableFileError(CheckpointFileError):
    """A file can't be written where it is asked for."""


class PortableFileError(CheckpointFileError):
    """A portable file is damaged, or its tensors are not those of the networks it names."""
