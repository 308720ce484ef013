"""How the benchmark's own site may be asked: as fast as it answers."""

import json

NUM_CONNECTIONS = 16


def conduct(port: int) -> str:
    """A `conduct` section, as JSON."""
    return json.dumps(
        {
            "contact": "benchmark@wunderkammer.invalid",
            "files_per_s": None,
            "max_connections": NUM_CONNECTIONS,
            "max_connections_per_host": NUM_CONNECTIONS,
            "allow_loopback_ports": [port],
        }
    )
