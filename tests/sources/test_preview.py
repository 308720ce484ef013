import io

import pytest
import yaml
from inaturalist_stand_in import INaturalistStandIn
from PIL import Image
from scraping import RECIPE, picture
from stand_in import running

from wunderkammer.conduct.params import ConductParams
from wunderkammer.sources import preview as previews
from wunderkammer.sources.item import SourceError
from wunderkammer.sources.preview import Preview, bounded, check_ready, preview_source
from wunderkammer.subject import Subject, load_subject


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr("wunderkammer.sources.inaturalist.PER_PAGE", 5)
    with running(INaturalistStandIn()) as site:
        yield site


def conduct(site: INaturalistStandIn, **settings: object) -> dict[str, object]:
    plain = {"contact": "curator@museum.example", "files_per_s": None, "num_tries": 1}
    return {**plain, "allow_loopback_ports": [site.port], **settings}


def spiders(site: INaturalistStandIn, **settings: object) -> dict[str, object]:
    return {
        "kind": "inaturalist",
        "taxon_id": 47118,
        "base_url": f"{site.url}/v1",
        "requests_per_minute": 100.0,
        **settings,
    }


@pytest.fixture
def recipe(tmp_path):
    def write(**section: object) -> Subject:
        file = tmp_path / "spider.yaml"
        file.write_text(yaml.safe_dump({"scrape": section, **RECIPE}))
        return load_subject(file)

    return write


def table(found: Preview, title: str) -> list[tuple[str, ...]]:
    return [row for name, _, rows in found.tables if name == title for row in rows]


def test_a_site_is_asked_for_few_pictures_and_told_by_licence_and_refusal(
    site, recipe, scraper, tmp_path
):
    for number in range(1, 60):
        site.observe(number, "cc-by", "cc-by-nc")
    site.fault = lambda asked: "401" if asked.path == "/photos/10/original.jpg" else None
    subject = recipe(**spiders(site), conduct=conduct(site))
    found = preview_source(subject, num_images=4, scratch=tmp_path)
    assert found.headline.startswith("4 pictures by inaturalist in ")
    assert table(found, "Licences") == [("CC BY 4.0", "4")]
    ((name, num_kept, num_refused),) = table(found, "Sources")
    assert (name, num_kept) == ("inaturalist", "4")
    refusals = {reason: (count, example) for reason, count, example in table(found, "Refused")}
    assert refusals.keys() == {"licence", "http_401"}
    assert "CC BY-NC" in refusals["licence"][1]
    assert int(num_refused) == sum(int(count) for count, _ in refusals.values())
    assert table(found, "Sizes")[0] == ("shorter side, px", "4", "4", "4")
    assert sum(asked.path.startswith("/photos/") for asked in site.asked) < 30
    assert sum(asked.path == "/v1/observations" for asked in site.asked) < 12
    with Image.open(io.BytesIO(found.sheet)) as sheet:
        assert sheet.format == "JPEG"
    assert [path.name for path in tmp_path.iterdir()] == ["spider.yaml"]


def test_a_source_that_refuses_nearly_all_is_not_asked_for_ever(
    site, recipe, scraper, tmp_path, monkeypatch
):
    monkeypatch.setattr(previews, "REQUESTS_BESIDE", 6)
    monkeypatch.setattr(previews, "REQUESTS_A_PICTURE", 1)
    for number in range(1, 200):
        site.observe(number, "cc-by")
    kept = "/photos/10/original.jpg"
    site.fault = lambda asked: "401" if "/photos/" in asked.path and asked.path != kept else None
    subject = recipe(**spiders(site), conduct=conduct(site))
    found = preview_source(subject, num_images=4, scratch=tmp_path)
    assert found.headline.startswith("1 picture by")
    ((problem,),) = table(found, "What went wrong")
    assert "budget" in problem
    assert len(site.asked) <= 10


def test_several_sources_are_told_apart(site, recipe, scraper, tmp_path):
    for number in range(1, 9):
        site.observe(number, "cc0")
    folder = tmp_path / "own"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.png").write_bytes(picture(number, side=9))
    subject = recipe(
        kind="combine",
        sources=[spiders(site), {"kind": "folder", "path": "own"}],
        conduct=conduct(site),
    )
    found = preview_source(subject, num_images=6, scratch=tmp_path)
    assert sorted(row[:2] for row in table(found, "Sources")) == [
        ("folder", "3"),
        ("inaturalist", "3"),
    ]
    assert ("no known licence", "3") in table(found, "Licences")


def test_a_recipe_of_its_own_budget_keeps_the_tighter_one(recipe, site):
    subject = recipe(
        kind="combine",
        max_images=5,
        sources=[spiders(site, max_images=2)],
        conduct=conduct(site, max_requests=3, max_minutes=9.0),
    )
    small = bounded(subject.spec.scrape, num_images=24)
    assert small.max_images == 5
    assert small.conduct.max_requests == 3
    assert small.conduct.max_minutes == previews.MAX_MINUTES
    assert small.conduct.max_gb == previews.MAX_GB
    assert small.conduct.contact == "curator@museum.example"
    assert small.sources[0].max_images == 2
    assert subject.spec.scrape.conduct.max_gb is None


def test_nobody_is_asked_to_see_that_a_source_is_ready(recipe, site, monkeypatch):
    check_ready(recipe(**spiders(site), conduct=conduct(site)))
    assert site.asked == []
    monkeypatch.delenv("WUNDERKAMMER_CONTACT", raising=False)
    with pytest.raises(SourceError, match=r"scrape\.conduct\.contact"):
        check_ready(recipe(**spiders(site)))
    assert ConductParams().contact is None


def test_looking_at_a_source_leaves_the_journal_of_a_killed_scrape_alone(
    site, recipe, scraper, tmp_path, monkeypatch
):
    """Though a scratch folder is set, which all scrapes share."""
    site.observe(1, "cc-by")
    monkeypatch.setenv("WUNDERKAMMER_SCRATCH", str(tmp_path / "scratch"))
    journal = tmp_path / "scratch" / "scrape" / "spider" / "outcomes.jsonl"
    journal.parent.mkdir(parents=True)
    journal.write_text("what was fetched\n")
    subject = recipe(**spiders(site), conduct=conduct(site))
    check_ready(subject)
    preview_source(subject, num_images=1, scratch=tmp_path)
    assert journal.read_text() == "what was fetched\n"
