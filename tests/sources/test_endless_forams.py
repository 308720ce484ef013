import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from endless_forams_stand_in import EndlessForamsStandIn
from listings import local, pages_of, records_of
from scraping import picture
from stand_in import running

from tests.live.test_live_endless_forams import check_live
from wunderkammer.conduct.errors import FetchError
from wunderkammer.sources import endless_forams
from wunderkammer.sources.endless_forams import EndlessForams, EndlessForamsParams
from wunderkammer.sources.endless_forams_archive import Capsule, species_in
from wunderkammer.sources.item import RefusedItem, SourceError, SourceItem
from wunderkammer.sources.listing import Page, Record
from wunderkammer.storage.store import Store


@pytest.fixture
def site() -> Iterator[EndlessForamsStandIn]:
    with running(EndlessForamsStandIn()) as site:
        yield site


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("wunderkammer.conduct.replies.FIRST_BACKOFF_S", 0.001)
    monkeypatch.setattr(endless_forams, "REQUESTS_PER_S", 1e6)


def listed(site: EndlessForamsStandIn, **settings) -> list[Page]:
    params = EndlessForamsParams(kind="endless_forams", base_url=site.url, **settings)
    return pages_of(
        lambda network: EndlessForams(params, network), local(site.port, files_per_s=None)
    )


def test_a_species_is_a_capsule_with_its_name_as_label(site):
    found = records_of(listed(site))
    assert found["Beella digitata"] == Record(
        id="Beella digitata",
        url=f"{site.url}/randomizer/download/Beella%20digitata/2?download=capsule.zip",
        form="zip",
        landing_page=site.url,
        author="Endless Forams (Hsiang et al. 2019)",
        licence="unknown",
        title="Beella digitata",
        label="Beella digitata",
    )


def test_the_shape_that_is_asked_of_the_real_site_holds_here(site):
    check_live(listed(site), base_url=site.url)


@pytest.mark.parametrize(
    ("settings", "taxa"),
    [
        ({}, ["Globigerina bulloides", "Globorotalia menardii", "Beella digitata"]),
        ({"num_taxa": 2}, ["Globigerina bulloides", "Globorotalia menardii"]),
        ({"min_images": 4}, ["Globigerina bulloides"]),
        (
            {"taxa": ("Beella digitata", "Globorotalia menardii"), "num_taxa": 1},
            ["Globorotalia menardii"],
        ),
    ],
)
def test_the_species_with_the_most_pictures_come_first(site, settings, taxa):
    (page,) = listed(site, **settings)
    assert [record.id for record in page.records] == taxa
    assert page.is_last
    assert page.position == {}


def test_a_species_that_the_site_does_not_have_is_a_refused_record(site):
    taxa = ("Beela digitata", "Orbulina universa", "Beella digitata")
    found = records_of(listed(site, taxa=taxa))
    assert {id_: record.refused and record.refused[0] for id_, record in found.items()} == {
        "Beela digitata": "unknown_taxon",
        "Orbulina universa": "unknown_taxon",
        "Beella digitata": None,
    }


def test_a_species_that_has_grown_keeps_its_id_and_gets_another_url(site):
    before = records_of(listed(site))
    site.amounts["Beella digitata"] = 4
    after = records_of(listed(site))
    changed = {id_ for id_ in before if before[id_] != after[id_]}
    assert set(before) == set(after)
    assert changed == {"Beella digitata"}
    assert before["Beella digitata"].url != after["Beella digitata"].url


def test_a_nightly_listing_costs_one_request(site):
    listed(site)
    assert site.paths() == ["/summary"]
    assert EndlessForams.lists_all


def test_the_licence_that_the_section_names_is_kept_for_the_credits(site):
    found = records_of(listed(site, licence="CC BY 4.0"))
    assert {record.licence for record in found.values()} == {"CC BY 4.0"}
    assert {record.refused for record in found.values()} == {None}


@pytest.mark.parametrize("fault", ["error_in_200", "no_zip", "500", "200_html"])
def test_a_summary_that_fails_once_is_asked_for_again(site, fault):
    faults = iter([fault])
    site.fault = lambda _: next(faults, None)
    assert len(records_of(listed(site))) == 3


@pytest.mark.parametrize("fault", ["error_in_200", "empty", "500", "200_html"])
def test_a_summary_that_keeps_failing_is_an_error(site, fault):
    site.fault = lambda _: fault
    with pytest.raises(FetchError):
        listed(site)


@pytest.mark.parametrize("amount", ["12", None, 1.5])
def test_a_summary_that_makes_no_sense_is_an_error(site, amount):
    site.amounts["Beella digitata"] = amount
    with pytest.raises(FetchError, match="bad_reply"):
        listed(site)


def zipped(path: Path, names: list[str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(name, picture(number))
    return path


def capsule(path: Path, **settings) -> list[SourceItem]:
    params = EndlessForamsParams(kind="endless_forams", archive=path.name, **settings)
    store = Store(str(path.parent / "data"))
    return list(Capsule(params, path=path, store=store, ledger="ledger").items())


NAMES = [
    "Data/Beella-digitata/images/img00001.jpg",
    "Data/Beella-digitata/images/img00002.jpg",
    "Data/Orbulina universa/1.png",
    "Globorotalia_menardii_00012.png",
    "Data/readme.jpg",
    "Data/Beella-digitata/specimens.csv",
]


def test_a_local_capsule_is_labelled_by_its_names_and_folders(tmp_path):
    items = capsule(zipped(tmp_path / "Data.zip", NAMES), licence="CC0")
    assert {item.id: item.label for item in items} == {
        NAMES[0]: "Beella digitata",
        NAMES[1]: "Beella digitata",
        NAMES[2]: "Orbulina universa",
        NAMES[3]: "Globorotalia menardii",
        NAMES[4]: None,
    }
    assert {(item.author, item.licence) for item in items} == {
        ("Endless Forams (Hsiang et al. 2019)", "CC0 1.0")
    }
    assert items[2].read() == picture(2)


def test_a_local_capsule_of_one_species_may_name_it_itself(tmp_path):
    items = capsule(zipped(tmp_path / "Beella_digitata.zip", ["1.png", "2.png"]))
    assert {item.label for item in items} == {"Beella digitata"}


@pytest.mark.parametrize(
    ("settings", "labels"),
    [
        ({"num_taxa": 1}, {"Beella digitata"}),
        ({"min_images": 2}, {"Beella digitata"}),
        ({"taxa": ("Orbulina universa",)}, {"Orbulina universa"}),
    ],
)
def test_the_species_of_a_local_capsule_are_chosen_like_the_site_s(tmp_path, settings, labels):
    items = capsule(zipped(tmp_path / "Data.zip", NAMES), **settings)
    assert {item.label for item in items} == labels


def test_a_tar_file_will_do_and_hostile_members_are_refused(tmp_path):
    path = tmp_path / "Data.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("Beella_digitata/1.png", "../Beella_digitata/2.png"):
            info = tarfile.TarInfo(name)
            info.size = len(picture(1))
            archive.addfile(info, io.BytesIO(picture(1)))
    good, bad = capsule(path)
    assert (good.label, good.read()) == ("Beella digitata", picture(1))
    assert isinstance(bad, RefusedItem)
    assert bad.reason == "traversal"


def test_a_local_capsule_without_the_species_is_an_error_that_names_those_it_has(tmp_path):
    path = zipped(tmp_path / "Data.zip", NAMES)
    with pytest.raises(SourceError, match=r"Data.zip.*it has: Beella digitata, Globorotalia"):
        capsule(path, taxa=("Beela digitata",))
    with pytest.raises(SourceError, match=r"none that can be told"):
        capsule(zipped(tmp_path / "x.zip", ["1.png"]), min_images=2)
    with pytest.raises(SourceError, match=r"gone.zip.* is not a file"):
        capsule(tmp_path / "gone.zip")


@pytest.mark.parametrize(
    ("member", "species"),
    [
        ("Globigerinoides_ruber_white_01.jpg", "Globigerinoides ruber"),
        ("Training images/Beella_digitata_1.jpg", "Beella digitata"),
        ("IMG_0001.jpg", None),
        ("a/b/c.jpg", None),
    ],
)
def test_a_species_is_told_by_the_nearest_name(member, species):
    assert species_in(member, archive="capsule.zip") == species
