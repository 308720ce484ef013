import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from wunderkammer.gan.checkpoints.archive import Tick
from wunderkammer.gan.training.board import Board


def tick(num_images):
    return Tick(
        num_images=num_images,
        measures={"loss/generator": num_images / 10},
        elapsed_s=1.0,
        images_per_s=5.0,
        memory_mb=7.0,
    )


def events(folder):
    read = EventAccumulator(str(folder))
    read.Reload()
    return read


def points(folder, name):
    return [(event.step, event.value) for event in events(folder).Scalars(name)]


def test_a_tick_and_what_was_read_with_it_are_points_by_images(tmp_path):
    with Board(tmp_path, history=(), num_images=0) as board:
        board.add(tick(10), {"speed/eta_s": 3.0})
    assert points(tmp_path, "loss/generator") == [(10, 1.0)]
    assert points(tmp_path, "time/images_per_s") == [(10, 5.0)]
    assert points(tmp_path, "speed/eta_s") == [(10, 3.0)]


def test_a_new_folder_gets_the_history_and_an_old_one_loses_what_came_after_the_checkpoint(
    tmp_path,
):
    with Board(tmp_path, history=[tick(10), tick(20)], num_images=20):
        pass
    assert points(tmp_path, "loss/generator") == [(10, 1.0), (20, 2.0)]
    with Board(tmp_path, history=[tick(10)], num_images=10) as board:
        board.add(tick(30))
    assert points(tmp_path, "loss/generator") == [(10, 1.0), (30, 3.0)]


def test_settings_can_be_read_and_compared_and_stand_there_once(tmp_path):
    tree = {"train": {"batch_size": 8, "betas": [0.0, 0.9], "start": None}, "device": "cpu"}
    for _ in range(2):
        with Board(tmp_path, history=(), num_images=0) as board:
            board.settings(tree)
    read = events(tmp_path)
    (text,) = read.Tensors("settings/text_summary")
    table = text.tensor_proto.string_val[0].decode()
    assert "| train.batch_size | 8 |" in table
    assert "| train.betas | [0.0, 0.9] |" in table
    assert read.PluginTagToContent("hparams")


def test_a_picture_is_kept_with_its_size(tmp_path):
    with Board(tmp_path, history=(), num_images=0) as board:
        board.picture("samples", np.zeros((4, 6, 3), np.uint8), num_images=5)
    (image,) = events(tmp_path).Images("samples")
    assert (image.step, image.height, image.width) == (5, 4, 6)
