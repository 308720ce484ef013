"""What can be wrong with a network that judges crops. Messages give value, limit and remedy."""


class ClassifierError(ValueError):
    """A network, its labels or its examples can't be used."""


class NetworkNotFoundError(ClassifierError):
    """There is no file of the name that a recipe gives."""


class NetworkFileError(ClassifierError):
    """A file that holds no such network, a damaged one, or one that asks for more than data."""


class LabelError(ClassifierError):
    """Labels that can't be read, or a class that they do not hold."""


class ExampleError(ClassifierError):
    """Example pictures that are missing or can't be looked at."""
