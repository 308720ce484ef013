"""Reddit: the newest posts of a subreddit, through an approved OAuth app."""

import base64
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from wunderkammer.conduct.api import Api
from wunderkammer.conduct.errors import FetchError
from wunderkammer.conduct.keys import key_from_environment
from wunderkammer.sources.limits import RemoteParams
from wunderkammer.sources.listing import Listing, Page, Position, Record
from wunderkammer.sources.posts import at, latest, unlicensed, whole
from wunderkammer.sources.replies import as_text, as_url

if TYPE_CHECKING:
    from wunderkammer.conduct.network import Network

APPS_PAGE = "https://www.reddit.com/prefs/apps (Reddit approves new apps by hand)"
PER_PAGE = 100
# Of a listing Reddit shows 1000 posts, some of which it holds back.
MOST_SHOWN = 900
# Scores, flairs and removals settle in the first days.
OVERLAP_S = 3 * 86_400
STILL = (".jpg", ".jpeg", ".png", ".webp")
MOVING = (".gif", ".gifv", ".mp4")
GONE = "[deleted]"


class RedditParams(RemoteParams):
    """The pictures that were posted to a subreddit, single ones and galleries.

    Reddit names no licence: its pictures belong to whoever made them. So every picture is refused
    until you set `accept_unlicensed`, which says that you may use them. Posts below `min_score`,
    of a flair that is not among `flairs` (where any are given), or marked as not safe for work
    (without `nsfw`) are refused, and so are videos, animations and what has been removed. Reddit
    shows the newest 1000 posts at most; what is gone from a longer subreddit is not noticed. It
    allows 100 requests a minute.

    The id and the secret of an app are read from the environment variables named by
    `client_id_env` and `client_secret_env` (https://www.reddit.com/prefs/apps; Reddit approves new
    apps by hand).
    """

    kind: Literal["reddit"]
    subreddit: Annotated[str, Field(pattern="^[A-Za-z0-9_]{2,21}$")]
    accept_unlicensed: bool = False
    min_score: int | None = None
    flairs: tuple[str, ...] = ()
    nsfw: bool = False
    requests_per_minute: Annotated[float, Field(gt=0)] = Field(default=60.0, exclude=True)
    client_id_env: str = "REDDIT_CLIENT_ID"
    client_secret_env: str = "REDDIT_CLIENT_SECRET"  # noqa: S105 - the name of a variable
    base_url: str = "https://www.reddit.com"
    oauth_url: str = "https://oauth.reddit.com"
    image_url: str = "https://i.redd.it"


@dataclass(frozen=True, kw_only=True)
class _Picture:
    """A picture of a post; `part` names it within a gallery."""

    url: str
    part: str | None = None
    other_urls: tuple[str, ...] = ()
    refused: tuple[str, str] | None = None


class Reddit(Listing):
    """Asks Reddit's OAuth API for posts, newest first, up to the last one that is known."""

    def __init__(self, params: RedditParams, network: "Network") -> None:
        """Read the app's id and secret.

        Raises:
            MissingKeyError: the environment lacks one.
        """
        names = {params.client_id_env: "the id", params.client_secret_env: "the secret"}
        keys = [
            key_from_environment(name, what=f"{what} of a Reddit app", where=APPS_PAGE)
            for name, what in names.items()
        ]
        basic = {"Authorization": f"Basic {base64.b64encode(':'.join(keys).encode()).decode()}"}
        self._params = params
        self._network = network
        self._per_s = params.requests_per_minute / 60
        self._tokens = Api(network, params.base_url, per_s=self._per_s, headers=basic)
        self._api: Api | None = None

    async def pages(self, start: Position, *, known: Callable[[str], bool]) -> AsyncIterator[Page]:
        """Pages of up to 100 posts.

        Raises:
            FetchError: the app or the subreddit is refused, or nothing more can be had.
        """
        since, newest, num_seen = (
            whole(start.get(name)) or 0 for name in ("since", "newest", "num_seen")
        )
        resumed = after = as_text(start.get("after"))
        seen = {after}
        is_last = False
        while not is_last:
            posts, following = await self._page(after)
            if resumed is not None and not posts:
                # The post that the cursor names has sunk below the newest 1000.
                resumed = after = None
                continue
            resumed = None
            times = [time for post in posts if (time := whole(at(post, "created_utc"))) is not None]
            newest = max(newest, latest(times))
            num_seen += len(posts)
            problem = "the cursor repeats" if following in seen - {None} else None
            is_last = bool(following is None or problem or any(time < since for time in times[-1:]))
            after = following
            seen.add(after)
            end: Position = {"since": max(newest - OVERLAP_S, 0) if newest else since}
            here = {"since": since, "newest": newest, "num_seen": num_seen, "after": after}
            yield Page(
                records=tuple(record for post in posts for record in self._records(post)),
                position=end if is_last else here,
                is_last=is_last,
                problem=problem,
                shows_part=is_last and not since and num_seen >= MOST_SHOWN,
            )

    async def _page(self, after: str | None) -> tuple[list[dict[str, Any]], str | None]:
        """The posts after a cursor, and the next cursor."""
        for is_first in (True, False):
            if self._api is None:
                self._api = await self._with_token()
            try:
                return await self._ask(self._api, after)
            except FetchError as error:
                if error.status in (403, 404):
                    detail = f"r/{self._params.subreddit} is private, banned or unknown"
                    raise FetchError("no_subreddit", detail, status=error.status) from error
                if error.status != 401 or not is_first:
                    raise
                # A token holds for a day.
                self._api = None
        raise AssertionError("the second attempt returns or raises")

    async def _ask(self, api: Api, after: str | None) -> tuple[list[dict[str, Any]], str | None]:
        query: dict[str, str | int] = {"limit": PER_PAGE, "raw_json": 1}
        if after is not None:
            query["after"] = after
        listing = await api.get(f"r/{self._params.subreddit}/new", query, check=_check_listing)
        children = at(listing, "data", "children")
        posts = [child["data"] for child in children if isinstance(at(child, "data"), dict)]
        return posts, as_text(at(listing, "data", "after"))

    async def _with_token(self) -> Api:
        params = self._params
        refused = FetchError(
            "invalid_key",
            f"Reddit does not accept the app in {params.client_id_env} and "
            f"{params.client_secret_env}; yours are at {APPS_PAGE}",
        )
        try:
            form = {"grant_type": "client_credentials"}
            reply = await self._tokens.post("api/v1/access_token", form)
        except FetchError as error:
            raise (refused if error.status in (400, 401, 403) else error) from None
        token = at(reply, "access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise refused
        bearer = {"Authorization": f"bearer {token}"}
        return Api(self._network, params.oauth_url, per_s=self._per_s, headers=bearer)

    def _records(self, post: dict[str, Any]) -> Iterator[Record]:
        id_ = as_text(at(post, "id"))
        if id_ is None:
            return
        # A crosspost shows what somebody posted elsewhere.
        parent = at(post, "crosspost_parent_list", 0)
        origin = parent if isinstance(parent, dict) else post
        permalink = as_text(at(origin, "permalink")) or f"/comments/{id_}/"
        landing_page = f"{self._params.base_url}{permalink}"
        refused = self._refused(post, origin)
        pictures = list(_pictures(origin, self._params.image_url))
        if not pictures and refused is not None and refused[0] in ("removed", "video", "animated"):
            pictures = [_Picture(url=landing_page)]
        flair = as_text(at(post, "link_flair_text"))
        for picture in pictures:
            yield Record(
                id=id_ if picture.part is None else f"{id_}/{picture.part}",
                url=picture.url,
                other_urls=picture.other_urls,
                refused=refused or picture.refused,
                landing_page=landing_page,
                author=as_text(at(origin, "author")),
                title=as_text(at(post, "title")),
                tags=(flair,) if flair else (),
                group=as_text(at(origin, "id")) or id_,
            )

    def _refused(self, post: dict[str, Any], origin: dict[str, Any]) -> tuple[str, str] | None:
        params = self._params
        if at(post, "removed_by_category") or GONE in (at(post, "author"), at(origin, "author")):
            return ("removed", "the post was removed, or whoever made it has left")
        if at(origin, "is_video") or as_text(at(origin, "post_hint")) in (
            "hosted:video",
            "rich:video",
        ):
            return ("video", "only pictures are taken")
        if _suffix(_link(origin)) in MOVING:
            return ("animated", "only still pictures are taken")
        if not params.accept_unlicensed:
            return unlicensed("Reddit")
        if at(post, "over_18") and not params.nsfw:
            return ("nsfw", "marked as not safe for work; scrape.nsfw is false")
        flair, score = as_text(at(post, "link_flair_text")), whole(at(post, "score")) or 0
        if params.flairs and flair not in params.flairs:
            return ("flair", f"{flair or 'none'}; allowed: {', '.join(params.flairs)}")
        if params.min_score is not None and score < params.min_score:
            return ("score", f"{score}; allowed: {params.min_score} or more")
        return None


def _check_listing(reply: Any) -> None:
    if not isinstance(at(reply, "data", "children"), list):
        raise FetchError("bad_reply", "no posts in it", may_pass=True)


def _pictures(post: dict[str, Any], image_url: str) -> Iterator[_Picture]:
    gallery = at(post, "gallery_data", "items")
    if isinstance(gallery, list):
        ids = dict.fromkeys(id_ for item in gallery if (id_ := as_text(at(item, "media_id"))))
        for id_ in ids:
            yield _of_gallery(id_, at(post, "media_metadata", id_), image_url)
        return
    link, preview = _link(post), as_url(at(post, "preview", "images", 0, "source", "url"))
    others = () if preview is None else (preview,)
    if link is not None and link.startswith(f"{image_url}/") and _suffix(link) in STILL:
        yield _Picture(url=link, other_urls=others)
    # A link to a page has a preview, too, but of the page.
    elif preview and (at(post, "post_hint") == "image" or at(post, "preview", "enabled") is True):
        yield _Picture(url=preview)


def _of_gallery(id_: str, media: Any, image_url: str) -> _Picture:
    """The original of a gallery's picture; what is listed is a preview."""
    preview = as_url(at(media, "s", "u"))
    status, kind = as_text(at(media, "status")), as_text(at(media, "e"))
    if kind == "AnimatedImage":
        refused = ("animated", "only still pictures are taken")
        return _Picture(part=id_, url=f"{image_url}/{id_}.gif", refused=refused)
    if preview is None or status != "valid":
        refused = ("no_media", f"Reddit calls it {status or 'nothing'}")
        return _Picture(part=id_, url=f"{image_url}/{id_}", refused=refused)
    return _Picture(part=id_, url=f"{image_url}/{id_}{_suffix(preview)}", other_urls=(preview,))


def _link(post: dict[str, Any]) -> str | None:
    return as_url(at(post, "url_overridden_by_dest")) or as_url(at(post, "url"))


def _suffix(url: str | None) -> str:
    return PurePosixPath(re.split("[?#]", url)[0]).suffix.lower() if url else ""
