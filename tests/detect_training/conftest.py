import pytest
import torch

from wunderkammer.storage.store import Store


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Threads that wait for a busy CPU make short work long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "data"))
