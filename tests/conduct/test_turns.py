import asyncio

import pytest
from museum import conduct

from wunderkammer.conduct.budget import NetworkStats
from wunderkammer.conduct.errors import BudgetSpentError, FetchError
from wunderkammer.conduct.pace import Pace
from wunderkammer.conduct.turns import Terms, Turns

FILES = Terms("files", None, 4)


@pytest.fixture
def pace(tmp_path):
    return Pace(tmp_path / "pace")


class Crowd:
    """Requests that note when they begin and end."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.begun: list[str] = []
        self.running: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self.most_in_all = 0

    async def ask(
        self, host: str, *, terms: Terms = FILES, failed: bool | None = False, takes_s: float = 0.0
    ) -> None:
        await self.turns.enter(host, terms)
        self.begun.append(host)
        self.running[host] = self.running.get(host, 0) + 1
        self.most[host] = max(self.most.get(host, 0), self.running[host])
        self.most_in_all = max(self.most_in_all, sum(self.running.values()))
        try:
            await asyncio.sleep(takes_s)
        finally:
            self.running[host] -= 1
            self.turns.leave(host, terms, failed=failed)


def with_crowd(pace, do, **settings):
    async def run():
        params = conduct(**settings)
        return await do(Crowd(Turns(params, pace=pace, stats=NetworkStats(params))))

    return asyncio.run(run())


def test_a_host_and_all_hosts_have_their_caps(pace):
    async def do(crowd):
        hosts = [f"{number % 3}.example:80" for number in range(60)]
        await asyncio.gather(*(crowd.ask(host, terms=Terms("files", None, 9)) for host in hosts))
        return crowd

    crowd = with_crowd(pace, do, max_connections_per_host=2, max_connections=5)
    assert crowd.most == {f"{number}.example:80": 2 for number in range(3)}
    assert crowd.most_in_all == 5
    assert len(crowd.begun) == 60


def test_hosts_take_turns(pace):
    async def do(crowd):
        hosts = ["a:80"] * 6 + ["b:80"] * 3
        await asyncio.gather(*(crowd.ask(host) for host in hosts))
        return crowd.begun

    first, *others = with_crowd(pace, do, max_connections=1)
    assert first == "a:80"
    assert others == [*["a:80", "b:80"] * 3, *["a:80"] * 2]


def test_questions_go_before_files_and_have_a_cap_of_their_own(pace):
    async def do(crowd):
        api = Terms("api", 1000.0, 1)
        await asyncio.gather(
            *(crowd.ask("a:80", takes_s=0.01) for _ in range(6)),
            *(crowd.ask("a:80", terms=api, takes_s=0.01) for _ in range(2)),
        )
        await asyncio.gather(*(crowd.ask("a:80", terms=api) for _ in range(3)))
        return crowd

    crowd = with_crowd(pace, do, max_connections_per_host=3)
    assert crowd.most["a:80"] == 3
    assert len(crowd.begun) == 11


def test_a_host_that_has_to_wait_keeps_no_other_waiting(pace):
    async def do(crowd):
        slow = Terms("files", 2.0, 4)
        waiting = [asyncio.create_task(crowd.ask("a:80", terms=slow)) for _ in range(5)]
        await asyncio.sleep(0)
        await asyncio.wait_for(asyncio.gather(*(crowd.ask("b:80") for _ in range(50))), 0.4)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return crowd.begun

    assert with_crowd(pace, do, max_connections=1).count("b:80") == 50


def test_the_pace_is_kept(pace):
    async def do(crowd):
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(*(crowd.ask("a:80", terms=Terms("files", 50.0, 4)) for _ in range(11)))
        return loop.time() - began

    # Ten intervals, less what may come early.
    assert 0.14 <= with_crowd(pace, do) < 2


def test_a_host_that_is_left_alone_by_another_process_is_left_alone_here(pace):
    async def do(crowd):
        loop = asyncio.get_running_loop()
        pace.leave_alone("a:80", 0.15)
        began = loop.time()
        await crowd.ask("a:80")
        return loop.time() - began

    assert with_crowd(pace, do) >= 0.14


def test_who_gives_up_waiting_takes_nobody_s_turn(pace):
    async def do(crowd):
        first = asyncio.create_task(crowd.ask("a:80", takes_s=0.05))
        await asyncio.sleep(0)
        second, third = (asyncio.create_task(crowd.ask("a:80")) for _ in range(2))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(first, second, third, return_exceptions=True)
        # Called and given up within the same turn of the loop.
        await crowd.turns.enter("a:80", FILES)
        fourth = asyncio.create_task(crowd.ask("a:80"))
        await asyncio.sleep(0)
        crowd.turns.leave("a:80", FILES, failed=False)
        fourth.cancel()
        await asyncio.gather(fourth, return_exceptions=True)
        await asyncio.wait_for(crowd.ask("a:80"), 1)
        return crowd.begun

    assert with_crowd(pace, do, max_connections=1) == ["a:80"] * 3


async def fail_once(crowd, host="a:80", failed=True):
    await crowd.ask(host, failed=failed)


def test_a_host_that_fails_and_fails_is_given_up_after_three_rests(pace):
    async def do(crowd):
        loop = asyncio.get_running_loop()
        for _ in range(3):
            await fail_once(crowd)
        waits = []
        for _ in range(3):
            began = loop.time()
            await fail_once(crowd)
            waits.append(loop.time() - began)
        with pytest.raises(FetchError, match="host_given_up") as error:
            await fail_once(crowd)
        await fail_once(crowd, "b:80")
        return waits, error.value

    waits, error = with_crowd(pace, do, max_failures_in_a_row=3, rest_s=0.04)
    # A timer may come a little early, and late on a busy machine.
    assert all(wait > 0.9 * rest for wait, rest in zip(waits, (0.04, 0.08, 0.16), strict=True))
    assert error.may_pass
    assert "a:80" in error.detail


def test_after_a_rest_a_single_request_finds_out_whether_the_host_is_well(pace):
    async def do(crowd):
        for _ in range(2):
            await fail_once(crowd)
        crowd.most.clear()
        await asyncio.gather(*(crowd.ask("a:80", takes_s=0.01) for _ in range(4)))
        assert crowd.most["a:80"] == 3
        return crowd.begun

    async def tell(crowd):
        for _ in range(2):
            await fail_once(crowd)
        crowd.most.clear()
        waiting = [asyncio.create_task(crowd.ask("a:80", failed=True)) for _ in range(6)]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert crowd.most["a:80"] == 1
        return results

    assert len(with_crowd(pace, do, max_failures_in_a_row=2, rest_s=0.02)) == 6
    results = with_crowd(pace, tell, max_failures_in_a_row=2, rest_s=0.01)
    assert results[:3] == [None] * 3
    assert [error.reason for error in results[3:]] == ["host_given_up"] * 3
    assert len({id(error) for error in results[3:]}) == 3


def test_what_was_under_way_when_a_rest_began_does_not_lengthen_it(pace):
    async def do(crowd):
        asked = (crowd.ask("a:80", failed=True, takes_s=0.01) for _ in range(4))
        await asyncio.gather(*asked)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await crowd.ask("a:80")
        return loop.time() - began

    assert with_crowd(pace, do, max_failures_in_a_row=1, rest_s=0.2) < 0.4


def test_a_success_makes_a_host_well_again(pace):
    async def do(crowd):
        for _ in range(4):
            for failed in (True, True, None, False):
                await fail_once(crowd, failed=failed)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await fail_once(crowd)
        return loop.time() - began

    assert with_crowd(pace, do, max_failures_in_a_row=3, rest_s=5.0) < 1


def test_a_budget_of_requests_ends_for_all_who_wait(pace):
    async def do(crowd):
        asked = (crowd.ask("a:80") for _ in range(5))
        results = await asyncio.gather(*asked, return_exceptions=True)
        with pytest.raises(BudgetSpentError, match="max_requests=3"):
            await crowd.ask("b:80")
        return results

    results = with_crowd(pace, do, max_requests=3, max_connections=2)
    assert results[:3] == [None] * 3
    assert [type(error) for error in results[3:]] == [BudgetSpentError] * 2
