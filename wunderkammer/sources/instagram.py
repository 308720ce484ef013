"""Instagram: what was posted under hashtags, through the official Graph API."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator

from wunderkammer.conduct.api import Api
from wunderkammer.conduct.errors import BudgetSpentError, FetchError
from wunderkammer.conduct.keys import key_from_environment
from wunderkammer.sources.limits import RemoteParams
from wunderkammer.sources.listing import Listing, Page, Position, Record, StalePositionError
from wunderkammer.sources.posts import at, hashtags, unlicensed, whole
from wunderkammer.sources.replies import as_text, as_url

if TYPE_CHECKING:
    from wunderkammer.conduct.network import Network

TOKENS_PAGE = "https://developers.facebook.com/tools/explorer"
# The published limits: hashtags in 7 days, posts a page.
MAX_HASHTAGS = 30
PER_PAGE = 50
# A hashtag that does not end is left after so many pages.
MAX_PAGES = 200
FIELDS = "id,media_type,media_url,permalink,caption,timestamp,children{id,media_type,media_url}"
# Codes of the Graph API's error objects.
EXPIRED = (102, 190)
NOT_ALLOWED = (3, 10, *range(200, 300))
TOO_OFTEN = (4, 17, 32, 613, 80002)
TOO_MANY_HASHTAGS, NO_SUCH_HASHTAG = 18, 24
PASSING = (1, 2, *TOO_OFTEN)
FATAL = ("invalid_key", "not_allowed")


class InstagramParams(RemoteParams):
    """What was posted under some `hashtags`: in the last 24 hours, or the most popular of all.

    Instagram names neither an author nor a licence: its pictures belong to whoever made them. So
    every picture is refused until you set `accept_unlicensed`, which says that you may use them.
    Instagram allows 30 hashtags in 7 days, and shows only a part of what there is: what it no
    longer shows is not taken for deleted. Videos are refused.

    `user_id` is the id of your Instagram business or creator account. The token of an app that
    Meta has approved for "Instagram Public Content Access" is read from the environment variable
    named by `key_env` (https://developers.facebook.com/tools/explorer); it expires after 60 days.
    """

    kind: Literal["instagram"]
    hashtags: Annotated[tuple[Annotated[str, Field(pattern=r"^#?\w+$")], ...], Field(min_length=1)]
    user_id: Annotated[str, Field(pattern="^[0-9]+$")]
    edge: Literal["recent_media", "top_media"] = "recent_media"
    accept_unlicensed: bool = False
    requests_per_minute: Annotated[float, Field(gt=0)] = Field(default=30.0, exclude=True)
    key_env: str = "INSTAGRAM_ACCESS_TOKEN"
    base_url: str = "https://graph.facebook.com/v24.0"

    @field_validator("hashtags")
    @classmethod
    def _few(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(value) > MAX_HASHTAGS:
            raise ValueError(
                f"{len(value)} hashtags; Instagram allows {MAX_HASHTAGS} in 7 days: keep the best"
            )
        return value


@dataclass
class _Turn:
    """Where the listing of one hashtag is."""

    number: int
    after: str | None
    num_pages: int = 0
    num_barren: int = 0
    seen: set[str] = field(default_factory=set)

    def go_on(self, posts: list[Any], following: str | None) -> str | None:
        """Go to the next page; says why that would not end."""
        ids = {id_ for post in posts if (id_ := as_text(at(post, "id")))}
        self.num_pages += 1
        # A cursor may be the same on every page and still lead on, and a page may be empty.
        self.num_barren = self.num_barren + 1 if ids <= self.seen else 0
        self.seen |= ids
        self.after = following
        if following is not None and self.num_barren > 1:
            return "the pages repeat"
        if following is not None and self.num_pages == MAX_PAGES:
            return f"it goes on beyond {MAX_PAGES} pages"
        return None


class Instagram(Listing):
    """Asks the Graph API for one hashtag after the other."""

    def __init__(self, params: InstagramParams, network: "Network") -> None:
        """Read the token.

        Raises:
            MissingKeyError: the environment has none.
        """
        what = "an access token of Instagram's Graph API"
        token = key_from_environment(params.key_env, what=what, where=TOKENS_PAGE)
        self._params = params
        self._names = list(dict.fromkeys(n.removeprefix("#").lower() for n in params.hashtags))
        self._ids: dict[str, str] = {}
        self._api = Api(
            network,
            params.base_url,
            per_s=params.requests_per_minute / 60,
            # As Meta's own clients do: errors come inside a 200, with the codes that explain them.
            query={"suppress_http_code": "1"},
            headers={"Authorization": f"Bearer {token}"},
        )

    @staticmethod
    def outcome_key(record: Record) -> str:
        """The id of the picture, which never changes: its URL is signed anew each time."""
        return f"instagram:{record.id}"

    async def pages(self, start: Position, *, known: Callable[[str], bool]) -> AsyncIterator[Page]:
        """Pages of up to 50 posts; a hashtag that can't be had is left out.

        Not all is shown, so nothing is gone that is missing.

        Raises:
            StalePositionError: Instagram no longer knows the cursor.
            FetchError: the token is refused, or no hashtag can be had.
        """
        turn = _Turn(whole(start.get("number")) or 0, as_text(start.get("after")))
        resumed, num_failed = turn.after, 0
        while turn.number < len(self._names):
            name = self._names[turn.number]
            posts: list[Any] = []
            try:
                posts, following = await self._page(name, turn.after)
            except FetchError as error:
                num_failed += 1
                if isinstance(error, BudgetSpentError) or error.reason in FATAL:
                    raise
                if resumed is not None and not error.may_pass:
                    raise StalePositionError(f"#{name}: {error.reason}") from error
                if num_failed == len(self._names):
                    raise
                problem: str | None = f"#{name} could not be had ({error.reason})"
                turn = _Turn(turn.number + 1, None)
            else:
                problem = turn.go_on(posts, following)
                problem = problem and f"#{name}: {problem}"
                if problem or following is None:
                    turn = _Turn(turn.number + 1, None)
            resumed = None
            is_last = turn.number == len(self._names)
            yield Page(
                records=tuple(record for post in posts for record in self._records(post)),
                position={} if is_last else {"number": turn.number, "after": turn.after},
                is_last=is_last,
                problem=problem,
                shows_part=is_last,
            )

    async def _page(self, name: str, after: str | None) -> tuple[list[Any], str | None]:
        """The posts of a hashtag after a cursor, and the next cursor."""
        if name not in self._ids:
            found = await self._ask("ig_hashtag_search", q=name)
            id_ = as_text(at(found, "data", 0, "id"))
            if id_ is None:
                raise FetchError("no_such_hashtag", f"#{name}")
            self._ids[name] = id_
        cursor = {"after": after} if after is not None else {}
        path = f"{self._ids[name]}/{self._params.edge}"
        found = await self._ask(path, fields=FIELDS, limit=PER_PAGE, **cursor)
        # The address in "next" holds the token; that there is one tells that there is a page.
        has_next = at(found, "paging", "next") is not None
        following = as_text(at(found, "paging", "cursors", "after")) if has_next else None
        return found["data"], following

    async def _ask(self, path: str, **query: str | int) -> Any:
        try:
            return await self._api.get(
                path, {"user_id": self._params.user_id, **query}, check=self._check
            )
        except FetchError as error:
            if error.status in (401, 403) and error.reason != "throttled":
                raise self._refused_key(error.status) from error
            raise

    def _refused_key(self, status: int | None = None) -> FetchError:
        detail = (
            f"Instagram does not accept the token in {self._params.key_env}, which may have "
            f"expired; get a new one at {TOKENS_PAGE}"
        )
        return FetchError("invalid_key", detail, status=status)

    def _check(self, reply: Any) -> None:
        """Raise what an error object means; its own words are not shown, they may quote the key."""
        error = at(reply, "error")
        if error is None:
            if not isinstance(at(reply, "data"), list):
                raise FetchError("bad_reply", "no data in it", may_pass=True)
            return
        code = whole(at(error, "code"))
        if code in EXPIRED:
            raise self._refused_key()
        if code in NOT_ALLOWED:
            raise FetchError(
                "not_allowed",
                f"the app behind {self._params.key_env} needs Meta's approval for Instagram Public "
                f"Content Access, and scrape.user_id={self._params.user_id} must be its account",
            )
        if code == TOO_MANY_HASHTAGS:
            raise FetchError("too_many_hashtags", f"more than {MAX_HASHTAGS} in 7 days")
        if code == NO_SUCH_HASHTAG:
            raise FetchError("no_such_hashtag", "Instagram knows none of this name")
        reason = "throttled" if code in TOO_OFTEN else "graph_error"
        may_pass = code in PASSING or at(error, "is_transient") is True
        raise FetchError(reason, f"code {code}", may_pass=may_pass)

    def _records(self, post: Any) -> Iterator[Record]:
        id_ = as_text(at(post, "id"))
        children = at(post, "children", "data")
        pictures = children if isinstance(children, list) else [post]
        caption = at(post, "caption")
        caption = caption if isinstance(caption, str) else None
        landing_page = as_url(at(post, "permalink"))
        for picture in pictures:
            own_id, url = as_text(at(picture, "id")), as_url(at(picture, "media_url"))
            if id_ is None or own_id is None:
                continue
            refused = None if self._params.accept_unlicensed else unlicensed("Instagram")
            if at(picture, "media_type") == "VIDEO":
                refused = ("video", "only pictures are taken")
            elif url is None:
                refused = ("no_media", "Instagram gives no address for it")
            yield Record(
                id=own_id,
                url=url or landing_page or self._params.base_url,
                refused=refused,
                landing_page=landing_page,
                title=as_text(caption),
                tags=hashtags(caption),
                group=id_,
                taken_at=(as_text(at(post, "timestamp")) or "").replace("+0000", "Z") or None,
            )
