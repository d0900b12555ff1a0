from __future__ import annotations

import io
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from freeda_segment.errors import ImageError
from freeda_studio.errors import MissingError, TooLargeError
from freeda_studio.shelf import VIEW_SIDE, Shelf, plain_name, view_size


def photo(grey: int, size: tuple[int, int] = (30, 20), kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (grey, grey, grey)).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf([], tmp_path / "pictures", 10_000)


def names(shelf: Shelf) -> list[str]:
    return [each.name for each in shelf.all()]


def test_given_pictures_come_first_and_stay(tmp_path: Path) -> None:
    given = tmp_path / "given.png"
    given.write_bytes(photo(1))
    shelf = Shelf([given], tmp_path / "pictures", 10_000)
    dropped = shelf.add("dropped.png", photo(2))
    assert names(shelf) == ["given.png", "dropped.png"]
    assert [each.dropped for each in shelf.all()] == [False, True]
    with pytest.raises(MissingError, match="given at the start"):
        shelf.remove(shelf.all()[0].id)
    shelf.remove(dropped.id)
    assert names(shelf) == ["given.png"]
    assert given.exists()


def test_the_same_picture_twice_is_one_and_a_new_shelf_finds_it(shelf: Shelf, tmp_path: Path) -> None:
    first, again = shelf.add("a.png", photo(1)), shelf.add("b.png", photo(1))
    assert first == again
    assert Shelf([], tmp_path / "pictures", 10_000).find(first.id) == first
    assert shelf.read(first.id).size_hw == (20, 30)


def test_the_last_dropped_comes_last_also_when_it_comes_again(shelf: Shelf) -> None:
    for name, grey in (("a", 1), ("b", 2), ("a", 1)):
        shelf.add(name, photo(grey))
    assert names(shelf) == ["b", "a"]


def test_what_was_dropped_first_makes_room(tmp_path: Path) -> None:
    size = len(photo(1))
    shelf = Shelf([], tmp_path / "pictures", 3 * size)
    for grey in range(5):
        shelf.add(f"{grey}.png", photo(grey))
    assert names(shelf) == ["2.png", "3.png", "4.png"]


def test_what_cannot_be_read_is_told_of_by_its_name_and_makes_nobody_leave(tmp_path: Path) -> None:
    shelf = Shelf([], tmp_path / "pictures", len(photo(1)) + 10)
    shelf.add("a.png", photo(1))
    for broken in (b"", b"no picture", photo(1)[:-30]):
        with pytest.raises(ImageError, match=r"^broken\.png "):
            shelf.add("broken.png", broken)
    with pytest.raises(TooLargeError, match=r"^large\.png has .*make it smaller"):
        shelf.add("large.png", bytes(len(photo(1)) + 11))
    assert names(shelf) == ["a.png"]
    assert len(list((tmp_path / "pictures").iterdir())) == 1


def test_a_picture_of_a_hundred_million_pixels_is_refused_by_its_header(shelf: Shelf) -> None:
    buffer = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(buffer, "PNG", compress_level=1)
    with pytest.raises(ImageError, match=r"^huge\.png has 10000 x 10000 pixels"):
        Shelf([], shelf._folder, 10**9).add("huge.png", buffer.getvalue())


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        (r"C:\photos\cat.png", "cat.png"),
        ("..", "picture"),
        (".hidden", "hidden"),
        ("", "picture"),
        ("/", "picture"),
        ("a\0b\n<c>.png", "a_b_c_.png"),
        ("猫.png", "猫.png"),
        ("x" * 300 + ".png", "x" * 76 + ".png"),
    ],
)
def test_names_become_plain(shelf: Shelf, given: str, kept: str) -> None:
    assert plain_name(given) == kept
    assert shelf.add(given, photo(1)).path.parent.parent == shelf._folder


@pytest.mark.parametrize("hostile", ["", "..", "../pictures", "0" * 23, "0" * 24, "G" * 24, "0" * 24 + "/"])
def test_ids_lead_to_pictures_of_the_shelf_alone(shelf: Shelf, hostile: str) -> None:
    shelf.add("a.png", photo(1))
    for ask in (shelf.find, shelf.read, shelf.view, shelf.remove):
        with pytest.raises(MissingError, match="drop it again"):
            ask(hostile)


def test_a_view_is_small_and_goes_with_its_picture(shelf: Shelf) -> None:
    kept = Shelf([], shelf._folder, 10**6).add("wide.png", photo(9, (2 * VIEW_SIDE, 20)))
    with Image.open(io.BytesIO(shelf.view(kept.id))) as view:
        assert view.size == (VIEW_SIDE, 10) == view_size((20, 2 * VIEW_SIDE))[::-1]
    with Image.open(io.BytesIO(shelf.view(kept.id, 1))) as view:
        assert view.width == 16, "the least"
    shelf.remove(kept.id)
    with pytest.raises(MissingError):
        shelf.view(kept.id)


def test_many_may_drop_and_look_at_once(shelf: Shelf) -> None:
    errors: list[BaseException] = []

    def work(start: int) -> None:
        try:
            for grey in range(start, start + 12):
                kept = shelf.add(f"{grey}.png", photo(grey % 15))
                shelf.all()
                if grey % 3 == 0:
                    shelf.remove(kept.id)
        except MissingError:
            pass  # another took it away first
        except BaseException as error:  # noqa: BLE001 - shown by the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert all(np.ndim(shelf.read(each.id).pixels) == 3 for each in shelf.all())
