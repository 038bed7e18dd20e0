import asyncio
from collections.abc import Callable

from sayna.session.utterance import SLICE_CHARS, Utterance


def opened(text: str) -> Utterance:
    return Utterance(text, protected=True, generation=0, is_open=True)


def test_text_is_taken_once_in_slices_and_forgotten() -> None:
    utterance = opened("a" * SLICE_CHARS + "b")
    assert utterance.take() == "a" * SLICE_CHARS
    assert utterance.waiting_chars == 1
    utterance.add("c")
    assert (utterance.take(), utterance.take()) == ("bc", "")
    assert utterance.waiting_chars == 0


def test_after_a_rewind_taken_text_is_kept_until_it_is_forgotten() -> None:
    utterance = opened("one ")
    for _ in range(2):
        utterance.rewind()
        assert utterance.take() == "one "
    utterance.add("two")
    assert utterance.waiting_chars == 7
    assert utterance.take() == "two"
    utterance.forget_taken()
    utterance.add("!")
    assert (utterance.waiting_chars, utterance.take(), utterance.waiting_chars) == (1, "!", 0)


def test_blanks_at_the_end_are_dropped_unless_they_were_taken() -> None:
    utterance = opened("one \n")
    utterance.end()
    assert utterance.take() == "one"
    taken = opened("one ")
    taken.rewind()
    taken.take()
    taken.add("\t ")
    taken.end()
    assert taken.take() == ""


def test_what_is_lost_has_no_text_and_protects_nothing() -> None:
    utterance = opened("one")
    utterance.lose()
    utterance.add("two")
    assert (utterance.take(), utterance.protected) == ("", False)
    assert utterance.is_open


async def test_whoever_waits_is_told_of_every_change() -> None:
    utterance = opened("one")
    changes: list[Callable[[], None]] = [lambda: utterance.add("two"), utterance.lose]
    for change in (*changes, utterance.end):
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(utterance.wait_changed())
            await asyncio.sleep(0)
            assert not waiting.done()
            change()


async def test_whoever_watches_hears_that_an_engine_waits_for_text_and_is_fed() -> None:
    utterance, heard = opened("one"), list[str]()
    utterance.watch(lambda: heard.append("starves"), lambda: heard.append("fed"))
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(utterance.wait_fed())
        await asyncio.sleep(0)
        assert heard == ["starves"]
        utterance.add("two")
    assert heard == ["starves", "fed"]


async def test_nobody_has_to_watch() -> None:
    utterance = opened("one")
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(utterance.wait_fed())
        await asyncio.sleep(0)
        utterance.end()
        await waiting


async def test_only_its_end_is_the_end_of_a_text() -> None:
    utterance = opened("one")
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        ended = tasks.create_task(utterance.wait_ended())
        await asyncio.sleep(0)
        utterance.add("two")
        await asyncio.sleep(0)
        assert not ended.done()
        utterance.end()
    await utterance.wait_ended()
