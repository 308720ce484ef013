"""One HDF5 file with the pictures at every side, uncompressed and without chunks.

data_4 … data_256    uint8 [N, C, side, side]
label                int64 [N]: the number of the label, if every picture has one
label_name           text [N], empty without a label
sha256               text [N]
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from wunderkammer.export.collection import Collection, Picture, ahead

# A call of h5py costs as much as copying some 100 kB.
BATCH_BYTES = 8_000_000

Pyramid = list[npt.NDArray[np.uint8]]


def write_hdf5(collection: Collection, pictures: Iterable[Picture], *, folder: Path) -> None:
    """Write `<subject>.h5`."""
    num, channels = collection.num_images, collection.channels
    batch_size = 1 + BATCH_BYTES // (channels * collection.resolution_px**2)
    with h5py.File(folder / f"{collection.subject}.h5", "w") as file:
        _write_labels(collection, file)
        for side in collection.sides_px:
            shape = (num, channels, side, side)
            file.create_dataset(f"data_{side}", shape, np.uint8, track_times=False)
        first = 0
        for batch in _batches(ahead(collection.pyramid, pictures), batch_size):
            rows = slice(first, first + len(batch))
            for level in zip(*batch, strict=True):
                file[f"data_{level[0].shape[-1]}"][rows] = np.stack(level)
            first = rows.stop


def _write_labels(collection: Collection, file: h5py.File) -> None:
    texts = {
        "label_name": [label or "" for label in collection.labels],
        "sha256": collection.sha256s,
    }
    for name, values in texts.items():
        file.create_dataset(name, data=values, dtype=h5py.string_dtype(), track_times=False)
    if collection.class_names:
        numbers = np.array(collection.numbers, np.int64)
        file.create_dataset("label", data=numbers, track_times=False)


def _batches(made: Iterator[tuple[Picture, Pyramid]], size: int) -> Iterator[list[Pyramid]]:
    while batch := [pyramid for _, pyramid in islice(made, size)]:
        yield batch
