"""The names of downloaded files: from the bytes and the id of the task, always inside the directory."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_client import ConfigError
from kling_client.download import Destination
from tests.kling_client.conftest import TASK_ID, Service, shown
from tests.kling_client.downloads import JPEG, PNG, URL, done, files, sent


@pytest.mark.parametrize(
    ("content", "kind", "url", "ext"),
    [
        (PNG, "image/jpeg", "https://h/a.gif", ".png"),
        (JPEG, "", "https://h/a", ".jpg"),
        (b"RIFFxxxxWEBP", "Image/WebP; q=1", "https://h/a.png", ".webp"),
        (b"unknown", "application/octet-stream", "https://h/a.PNG?x=.gif", ".png"),
        (b"unknown", "", "https://h/a.b/c", ""),
        (b"unknown", "", "https://h/a.much-too-long", ""),
    ],
)
def test_the_extension_fits_the_bytes_then_the_type_then_the_address(
    service: Service, tmp_path: Path, *, content: bytes, kind: str, url: str, ext: str
) -> None:
    task = done(service, url)
    service.will(sent(content, content_type=kind))
    (path,) = task.save(tmp_path)
    assert path.name == f"{TASK_ID}-0{ext}"


@given(task_id=st.text(min_size=1) | st.sampled_from(["../../x", "..", "/etc/passwd", "a\\b", "C:\\x", "\0"]))
def test_no_task_id_leads_out_of_the_directory(task_id: str) -> None:
    folder = Path("/folder")
    path = Destination(folder=folder, name="{task_id}{ext}", overwrite=False, on_bytes=None).path(
        task_id, 0, ".png"
    )
    assert path.parent == folder
    assert path.name.removesuffix(".png").strip(".")
    assert set(path.name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert len(path.name) <= 104


@pytest.mark.parametrize(
    "name", ["../{index}.png", "{task_id}/{index}.png", "/x", "", ".", "{nope}", "{0}", "{", "a\0b"]
)
def test_a_name_that_gives_no_plain_file_name_is_refused(service: Service, tmp_path: Path, name: str) -> None:
    task = done(service)
    service.will(sent())
    with pytest.raises(ConfigError):
        task.save(tmp_path / "out", name=name)
    assert files(tmp_path / "out") == []


def test_a_name_without_the_index_does_not_lose_a_picture(service: Service, tmp_path: Path) -> None:
    """Also with `overwrite=True`."""
    task = done(service, URL, "https://h/1.png")
    service.will(lambda _: sent())
    with pytest.raises(ConfigError, match=r"same file .* for two results; use \{index\}"):
        task.save(tmp_path, name="{task_id}{ext}", overwrite=True)


@pytest.mark.parametrize("indices", [[0, 0], [5, 7], [-1, 0]])
def test_indices_that_are_no_numbering_give_way_to_positions(
    service: Service, tmp_path: Path, indices: list[int]
) -> None:
    images = [{"index": index, "url": f"https://h/{at}.png"} for at, index in enumerate(indices)]
    service.will(shown("succeed", task_result={"images": images}))
    task = service.client().get(TASK_ID)
    service.will(lambda _: sent())
    assert [path.name for path in task.save(tmp_path)] == [f"{TASK_ID}-0.png", f"{TASK_ID}-1.png"]
