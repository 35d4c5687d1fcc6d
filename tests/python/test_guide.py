"""docs/python.md, followed to the letter."""

import re

from conftest import ROOT, make_scene, write_scene


def blocks():
    """The guide's pieces of Python."""
    text = (ROOT / "docs/python.md").read_text()
    for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, flags=re.MULTILINE):
        code = re.sub(r"^    ", "", block, flags=re.MULTILINE).strip("\n")
        if "pip install" not in code:
            yield code


def test_the_guide_runs_as_it_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "web").symlink_to(ROOT / "web")
    for seed, name in enumerate(["scene", "large", "a", "b"]):
        write_scene(tmp_path / f"{name}.tif", make_scene(90, 120, seed))
    names = {"__name__": "__main__"}
    ran = list(blocks())
    for code in ran:
        exec(compile(code, "docs/python.md", "exec"), names)
    assert len(ran) == 6
    printed = capsys.readouterr().out
    assert "('green', 'red', 'nir')" in printed and "['a', 'b'] [] []" in printed
    assert names["result"].mask.shape == names["scene"].shape[1:] or names["result"].mask.ndim == 2
    for path in ["mask.tif", "results/mask.tif", "results/collection.json", "results/b/item.json"]:
        assert (tmp_path / path).exists(), path
