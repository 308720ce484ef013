"""The folder of subject files."""

from pathlib import Path

import dagster as dg

from wunderkammer.subject import SubjectFolder, load_subjects, subjects_folder


class SubjectFiles(dg.ConfigurableResource[None]):
    """Reads the recipes anew at every use, so that an edit needs no reload."""

    folder: str | None = None

    @property
    def path(self) -> Path:
        """The configured folder, else `WUNDERKAMMER_SUBJECTS`, else the project's `subjects/`."""
        return Path(self.folder) if self.folder else subjects_folder()

    def load(self) -> SubjectFolder:
        """Every usable subject, and what is wrong with the others."""
        return load_subjects(self.path)
