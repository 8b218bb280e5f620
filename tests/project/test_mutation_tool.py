"""The mutation tool: what it leaves out, how it recognises mutants, and whether its lists fit the code."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tools.mutants.__main__ import EQUIVALENTS, ROOT, paths_of_tests
from tools.mutants.copy import PACKAGE, make_copy, prepare
from tools.mutants.equivalents import read_equivalents
from tools.mutants.mutants import Change, read_mutants
from tools.mutants.scope import MODULES

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE = '''
class Door:
    """A door."""

    def __init__(self):
        self.width = 1

    @property
    def is_wide(self):
        """Whether it is wide."""
        return self.width > 3

    def open(self):
        message = "It is closed."
        log.info(
            "Opening %s",
            self,
        )
        if self.width > 9:
            raise DoorError("It is too wide.")
        return self._open_message() or message

    def _open_message(self):
        return "It is open."

    def __repr__(self):
        return "Door"
'''
LEFT_OUT = [
    "message =",
    "log.info(",
    '"Opening',
    "self,",
    ")",
    "raise DoorError",
    '"It is open."',
    "def __repr__",
    '"Door"',
]


@pytest.mark.parametrize("module", MODULES)
def test_a_mutated_module_and_its_tests_exist(module: str) -> None:
    assert (ROOT / PACKAGE / module).is_file()
    paths = paths_of_tests(module, ROOT)
    assert len(paths) >= len(MODULES[module])
    assert all((ROOT / path).is_file() for path in paths)
    assert paths


def test_each_entry_of_the_list_of_equivalent_mutants_is_about_lines_of_the_code() -> None:
    for change in read_equivalents(EQUIVALENTS.read_text(encoding="utf-8")):
        lines = {
            line.strip().partition("  # ")[0] for line in (ROOT / PACKAGE / change.module).read_text().splitlines()
        }
        assert change.module in MODULES
        assert set(change.removed) <= lines, change


def test_words_are_left_out_and_properties_are_mutated(tmp_path: Path) -> None:
    path = tmp_path / "door.py"
    path.write_text(SOURCE, encoding="utf-8")
    prepare(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    marked = [line.strip() for line in lines if line.endswith("# pragma: no mutate")]
    assert len(marked) == len(LEFT_OUT)
    assert all(words in line for words, line in zip(LEFT_OUT, marked, strict=True))
    assert "@property" not in path.read_text(encoding="utf-8")
    assert lines.index("    is_wide = property(is_wide)") == lines.index("        return self.width > 3") + 1


def test_a_copy_holds_the_files_as_they_are_now(tmp_path: Path) -> None:
    make_copy(ROOT, tmp_path)
    name = Path(inspect.getfile(make_copy)).relative_to(ROOT)
    assert (tmp_path / name).read_bytes() == (ROOT / name).read_bytes()
    assert not (tmp_path / ".git").exists()


def mutated(folder: Path, *codes: int | None) -> None:
    """Write what mutmut writes for a module with one method, whose mutants ended with these exit codes."""
    path = folder / "mutants" / "pkg" / "door.py"
    path.parent.mkdir(parents=True)
    versions = ["width = 1  # metres", "width = None  # metres", "width = 2  # metres"]
    source = "class Door:\n" + "".join(
        f"    def xǁDoorǁopen__mutmut_{name}(self):\n        {version}\n        return width\n"
        for name, version in zip(("orig", 1, 2), versions, strict=True)
    )
    path.write_text(source, encoding="utf-8")
    results = ", ".join(
        f'"pkg.door.xǁDoorǁopen__mutmut_{number}": {"null" if code is None else code}'
        for number, code in enumerate(codes, 1)
    )
    path.with_name("door.py.meta").write_text(f'{{"exit_code_by_key": {{{results}}}}}', encoding="utf-8")


def test_mutants_are_known_by_what_they_change(tmp_path: Path) -> None:
    mutated(tmp_path, 1, 0)
    first, second = read_mutants(tmp_path, "door.py", "pkg")
    assert first.change == Change("door.py", "Door.open", ("width = 1",), ("width = None",))
    assert second.change == Change("door.py", "Door.open", ("width = 1",), ("width = 2",))
    assert (first.is_killed, second.is_killed) == (True, False)


@pytest.mark.parametrize(("code", "is_killed"), [(0, False), (33, False), (1, True), (-24, True), (36, True)])
def test_a_mutant_is_killed_unless_it_survives_or_has_no_tests(tmp_path: Path, code: int, *, is_killed: bool) -> None:
    mutated(tmp_path, code, 1)
    assert next(read_mutants(tmp_path, "door.py", "pkg")).is_killed is is_killed


@pytest.mark.parametrize("code", [None, 4, 255])
def test_a_mutant_that_was_not_tried_is_an_error(tmp_path: Path, code: int | None) -> None:
    mutated(tmp_path, 1, code)
    with pytest.raises(LookupError, match="was not tried"):
        list(read_mutants(tmp_path, "door.py", "pkg"))


@pytest.mark.parametrize(
    ("removed", "added", "expected"),
    [
        (["a = False"], ["a = None"], True),
        (["a = None"], ['a = ""'], True),
        (["a: int | None = None"], ['a: int | None = ""'], True),
        (["a = 1"], ["a = None"], False),
        (["a = True"], ["a = None"], False),
        (["a(", "b"], ["a("], False),
    ],
)
def test_values_that_mean_the_same_in_a_condition_are_recognised(
    removed: Sequence[str], added: Sequence[str], *, expected: bool
) -> None:
    assert Change("m", "f", tuple(removed), tuple(added)).is_refused_by_types is expected


def test_equivalent_mutants_are_read_with_their_reasons() -> None:
    text = "# A comment.\n\ndoor.py Door.open\nIt never matters.\n- a\n+ b\n- a\n+ c\n\n"
    text += "wall.py build\nNobody sees\nit.\n- d\n"
    assert read_equivalents(text) == {
        Change("door.py", "Door.open", ("a",), ("b",)): "It never matters.",
        Change("door.py", "Door.open", ("a",), ("c",)): "It never matters.",
        Change("wall.py", "build", ("d",), ()): "Nobody sees it.",
    }


@pytest.mark.parametrize("text", ["door.py\nWhy.\n- a\n+ b\n", "door.py open\n- a\n+ b\n"])
def test_an_entry_without_a_function_or_a_reason_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="lacks its function or its reason"):
        read_equivalents(text)
