from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wunderkammer.sources.licences import OPEN, PLACES, Licence, LicenceCode, read_licence

BY = "https://creativecommons.org/licenses"
CC0 = Licence("cc0", "CC0 1.0", "https://creativecommons.org/publicdomain/zero/1.0/")
MARK = Licence(
    "public-domain",
    "Public Domain Mark 1.0",
    "https://creativecommons.org/publicdomain/mark/1.0/",
)
PUBLIC_DOMAIN = Licence("public-domain", "Public domain", None)
KINDS = ("by", "by-sa", "by-nc", "by-nc-sa", "by-nd", "by-nc-nd")

kinds = st.sampled_from(KINDS)
versions = st.sampled_from(("1.0", "2.0", "2.5", "3.0", "4.0"))


def by(kind: str, version: str) -> Licence:
    return Licence(f"cc-{kind}", f"CC {kind.upper()} {version}", f"{BY}/{kind}/{version}/")


@given(
    kinds,
    versions,
    st.sampled_from(("http://", "https://", "", "HTTPS://")),
    st.sampled_from(("", "www.", "WWW.")),
    st.sampled_from(("", "/", "/deed", "/deed.de", "/deed.pt_BR", "/legalcode", "/?ref=openverse")),
)
def test_a_deed_is_read_however_it_is_linked(kind, version, scheme, www, ending):
    link = f"{scheme}{www}creativecommons.org/licenses/{kind}/{version}{ending}"
    assert read_licence(url=link) == by(kind, version)
    assert read_licence(f'<a href="{link}">terms</a>') == by(kind, version)


@given(
    kinds,
    versions,
    st.sampled_from(("CC {} {}", "cc-{}-{}", "CC_{}_{}", "{} {}", "CC {} {} International")),
    st.sampled_from((" ", "-", "_")),
    st.booleans(),
)
def test_a_short_name_is_read_however_it_is_joined(kind, version, form, joint, upper):
    text = form.format(kind.replace("-", joint), version.replace(".", "_"))
    assert read_licence(text.upper() if upper else text.lower()) == by(kind, version)
    dotted = form.format(kind, version)
    assert read_licence(dotted) == by(kind, version)


@given(st.sampled_from(KINDS), st.sampled_from(PLACES.split("|")))
def test_a_licence_of_one_country_keeps_its_place(kind, place):
    deed = f"{BY}/{kind}/3.0/{place}/"
    want = Licence(f"cc-{kind}", f"CC {kind.upper()} 3.0 {place.upper()}", deed)
    assert read_licence(url=f"{deed}deed.en") == want
    assert read_licence(f"CC {kind.upper()} 3.0 {place}") == want
    assert read_licence(url=f"{BY}/{kind}/4.0/{place}/") == by(kind, "4.0")


@given(st.lists(st.one_of(st.none(), st.text(max_size=40)), max_size=4), st.text(max_size=40))
def test_whatever_is_spelled_a_licence_of_its_own_name_and_deed_reads_the_same(spellings, url):
    licence = read_licence(*spellings, url=url)
    assert licence.code in get_args(LicenceCode)
    assert licence.name
    again = read_licence(licence.name, url=licence.url)
    assert again == licence


@given(kinds, versions, st.text(st.characters(categories=["L", "N"]), min_size=2, max_size=12))
def test_more_words_than_a_licence_has_make_it_none_that_is_known(kind, version, more):
    harmless = "international unported generic universal license licence licenses licences v"
    if more.casefold() in harmless.split() or more.casefold() in PLACES.split("|"):
        return
    if more.isascii() and more.isdigit():
        return
    assert read_licence(f"CC {kind} {version} {more}").code == "other"


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("cc0", CC0),
        ("CC0", CC0),
        ("CC0-1.0", CC0),
        ("CC0_1_0", CC0),
        ("http://creativecommons.org/publicdomain/zero/1.0/legalcode", CC0),
        ("Public Domain Dedication (CC0)", CC0),
        ("Creative Commons Zero v1.0 Universal", CC0),
        ("CC0 1.0 Universal (CC0 1.0) Public Domain Dedication", CC0),
        ("Creative Commons CC0 1.0 Universal Public Domain Dedication", CC0),
        ("pdm", MARK),
        ("pdm 1.0", MARK),
        ("Public Domain Mark", MARK),
        ("CC-PD-Mark", MARK),
        ("http://creativecommons.org/publicdomain/mark/1.0/deed.de", MARK),
        ("Public domain", PUBLIC_DOMAIN),
        ("publicdomain", PUBLIC_DOMAIN),
        ("PD", PUBLIC_DOMAIN),
        ("United States Government Work", PUBLIC_DOMAIN),
        ("PD-USGov", Licence("public-domain", "PD-USGov", None)),
        ("PD-old-70", Licence("public-domain", "PD-old-70", None)),
        ("cc-by-nc", Licence("cc-by-nc", "CC BY-NC", None)),
        ("by-nc-nd", Licence("cc-by-nc-nd", "CC BY-NC-ND", None)),
        ("Attribution License", Licence("cc-by", "CC BY", None)),
        (
            "Attribution-NonCommercial-ShareAlike License",
            Licence("cc-by-nc-sa", "CC BY-NC-SA", None),
        ),
        ("Attribution-NoDerivs License", Licence("cc-by-nd", "CC BY-ND", None)),
        ("(c) Ada, some rights reserved (CC BY)", Licence("other", "", None)),
        ("some rights reserved (CC BY-NC)", Licence("cc-by-nc", "CC BY-NC", None)),
        ("Creative Commons Attribution 4.0 International (CC BY 4.0)", by("by", "4.0")),
        ("Creative Commons Attribution-NonCommercial 4.0 International", by("by-nc", "4.0")),
        ("Attribution-ShareAlike 2.0 Generic", by("by-sa", "2.0")),
        ("CC BY-SA 4.0,3.0,2.5,2.0,1.0", by("by-sa", "4.0")),
        ("http://creativecommons.org/licenses/by/4.0/legalcode", by("by", "4.0")),
        ("© Jo (https://creativecommons.org/licenses/by/4.0/)", by("by", "4.0")),
        ("https://creativecommons.org/licenses/by-nd-nc/1.0/", by("by-nc-nd", "1.0")),
    ],
)
def test_the_spellings_of_the_sources_are_read(text, want):
    licence = read_licence(text)
    if want.code == "other":
        assert licence == Licence("other", text, None)
    elif want.url is None:
        assert (licence.code, licence.name) == (want.code, want.name)
    else:
        assert licence == want


@pytest.mark.parametrize(
    "text",
    [
        "All rights reserved",
        "No known copyright restrictions",
        "No restrictions",
        "No Copyright - United States",
        "Copyrighted free use",
        "Attribution",
        "GFDL",
        "Creative Commons",
        "not CC BY 4.0",
        "CC BY, not for commercial use",
        "CC BY 4.0 не для продажи",
        "CC BY 4.0?",
        "CC BY 7.0",
        "CC BY 3.0 NC",
        "CC0 2.0",
        "CC BY-ND-SA",
        "CC NC-SA 1.0",
        "CC BY/CC BY-NC",
        "CC BY 4.0 (CC BY-NC 4.0)",
        "sampling+",
        "http://notcreativecommons.org/licenses/by/4.0/",
        "http://creativecommons.org/licenses/sampling+/1.0/",
        "https://creativecommons.org/licenses/by/4.0/ https://creativecommons.org/licenses/by-nc/4.0/",
        "http://rightsstatements.org/vocab/InC/1.0/",
    ],
)
def test_what_gives_no_known_permission_is_other_and_keeps_its_words(text):
    licence = read_licence(text)
    assert (licence.code, licence.name) == ("other", text)
    assert licence.code not in OPEN


@pytest.mark.parametrize("nothing", [(), (None,), ("", "  "), ("unknown", None), ("UNSPECIFIED",)])
def test_no_spelling_at_all_is_unknown(nothing):
    assert read_licence(*nothing) == Licence("unknown", "unknown", None)


def test_the_url_tells_before_the_spellings_and_the_first_telling_one_counts():
    assert read_licence("CC BY-NC 4.0", url=f"{BY}/by/4.0/") == by("by", "4.0")
    assert read_licence(None, "my own terms", "CC BY-NC 4.0") == by("by-nc", "4.0")
    assert read_licence("CC BY-NC 4.0", "CC BY 4.0") == by("by-nc", "4.0")


def test_a_page_that_is_no_deed_is_kept_where_the_name_has_none():
    terms = "https://museum.example/terms"
    assert read_licence("CC BY", url=terms) == Licence("cc-by", "CC BY", terms)
    assert read_licence("Our terms", url=terms) == Licence("other", "Our terms", terms)
    assert read_licence(url=terms) == Licence("other", terms, terms)
    assert read_licence("Our terms", url="javascript:alert(1)").url is None


def test_a_long_text_is_shortened():
    assert len(read_licence("x" * 5000).name) == 200
