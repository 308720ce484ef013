"""A small Endless Forams on this machine: its summary, and a capsule a species."""

import io
import json
import zipfile
from urllib.parse import unquote

from scraping import picture
from stand_in import Asked, Reply, StandIn


class EndlessForamsStandIn(StandIn):
    """`amounts` says how many pictures there are of each species."""

    def __init__(self) -> None:
        super().__init__()
        self.amounts: dict[str, object] = {
            "Beella digitata": 2,
            "Globigerina bulloides": 5,
            "Globorotalia menardii": 3,
            "Orbulina universa": 0,
        }

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/summary":
            results = [
                {"sci_name": name, "amount_images": amount} for name, amount in self.amounts.items()
            ]
            return as_json({"results": results})
        parts = unquote(asked.path).split("/")
        if parts[1:3] == ["randomizer", "download"] and parts[3] in self.amounts:
            assert asked.query == {"download": "capsule.zip"}
            # As many pictures as are asked for, taken at random: all of them only in their number.
            assert int(parts[4]) == self.amounts[parts[3]]
            return Reply(200, self.capsule(parts[3]), {"Content-Type": "application/zip"})
        return Reply(404, b"<html>", {"Content-Type": "text/html"})

    def capsule(self, species: str) -> bytes:
        sink = io.BytesIO()
        number = list(self.amounts).index(species)
        with zipfile.ZipFile(sink, "w") as archive:
            for i in range(int(str(self.amounts[species]))):
                info = zipfile.ZipInfo(f"capsule/{species.replace(' ', '_')}_{i:05}.png")
                archive.writestr(info, picture(1000 * number + i))
            archive.writestr(zipfile.ZipInfo("capsule/specimens.csv"), "id,age\n")
        return sink.getvalue()

    def spoil(self, fault: str, reply: Reply) -> Reply:
        if fault == "no_zip":
            return Reply(200, b'{"error": "try again"}', {"Content-Type": "application/json"})
        if fault == "error_in_200":
            return as_json({"error": "database is locked"})
        assert fault == "empty"
        return as_json({"results": []})


def as_json(value: object) -> Reply:
    return Reply(200, json.dumps(value).encode(), {"Content-Type": "application/json"})
