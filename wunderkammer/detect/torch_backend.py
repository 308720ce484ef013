"""A detector's numbers by torch, on any device, in float32."""

import torch

from wunderkammer.detect.backend import Numbers, Pictures
from wunderkammer.detect.network import RawDetector


class TorchBackend:
    """See `Backend`."""

    def __init__(self, network: RawDetector, *, device: torch.device) -> None:
        self.facts = network.facts
        self.name = f"torch, {device}, float32"
        self._network = network.to(device)
        self._device = device

    def run(self, x_NHWC: Pictures) -> tuple[Numbers, Numbers]:
        """See `Backend.run`."""
        with torch.inference_mode():
            found = self._network(torch.from_numpy(x_NHWC).to(self._device))
            distances, logits = (part.float().cpu().numpy() for part in found)
        return distances, logits
