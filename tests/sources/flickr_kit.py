"""What the tests of Flickr share: a pool, and listings of it."""

from flickr_stand_in import SPIDERS, FlickrStandIn, Photo
from listings import local, pages_of

from wunderkammer.sources.flickr import Flickr, FlickrParams
from wunderkammer.sources.listing import Page, Position

NEWEST = 1_600_000_000


def pool_of(num_photos: int) -> list[Photo]:
    """Photos added and uploaded one every 1000 s, the one of the highest id last."""
    return [
        Photo(
            id_,
            added=NEWEST - 1000 * (num_photos - id_),
            uploaded=NEWEST - 500 * (num_photos - id_),
        )
        for id_ in range(1, num_photos + 1)
    ]


def params_of(flickr: FlickrStandIn, **section: object) -> FlickrParams:
    asked = (
        section
        if {"group", "text", "tags", "bbox"} & section.keys()
        else {"group": SPIDERS, **section}
    )
    base_url = f"{flickr.url}/services"
    return FlickrParams.model_validate(
        {"kind": "flickr", "base_url": base_url, "requests_per_hour": 3.6e6, **asked}
    )


def listed(
    flickr: FlickrStandIn,
    *,
    start: Position | None = None,
    num_pages: int | None = None,
    **section: object,
) -> list[Page]:
    params = params_of(flickr, **section)
    return pages_of(
        lambda network: Flickr(params, network),
        local(flickr.port),
        start=start,
        num_pages=num_pages,
    )
