"""What a folder or zip says about its photographs, by the two conventions that people have.

- ``metadata.jsonl`` or ``metadata.csv``, with ``file_name`` (a path from where the file lies),
  ``text`` and, where wanted, ``negative_prompt``: the ``imagefolder`` convention of Hugging Face's
  ``datasets``;
- ``cat.txt`` beside ``cat.jpg``: its whole text. It counts more than the metadata.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from wizard.console import BadSetting
from wizard.images import SUFFIXES
from wizard.records import Unusable
from wizard.sources.photo import printable

METADATA = ("metadata.jsonl", "metadata.csv")
COLUMNS = {"text": "prompt", "negative_prompt": "negative_prompt"}
MAX_BYTES = 64 * 2**20
MAX_LENGTH = 10_000


@dataclass(frozen=True)
class Captions:
    """Prompts by the name of a photograph.

    ``table`` has what metadata files say, ``texts`` the name of the text file for a name without
    suffix; ``read`` gives the bytes of a file by its name and the most that are of use; ``strays``
    are captions whose photograph is missing.
    """

    read: Callable[[str, int], bytes]
    table: dict[str, dict[str, str]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    strays: tuple[str, ...] = ()

    def of(self, name: str) -> dict[str, str]:
        """``prompt`` and ``negative_prompt`` as far as given.

        Raises records.Unusable or OSError when the text file beside the photograph is no caption.
        """
        file = self.texts.get(_stem(name))
        if file is None:
            return self.table.get(name, {})
        text = _text(file, self.read).strip()
        if len(text) > MAX_LENGTH:
            raise Unusable(f"{file}: longer than {MAX_LENGTH} characters, which is no caption")
        return self.table.get(name, {}) | ({"prompt": text} if text else {})


def collect(names: Iterable[str], read: Callable[[str, int], bytes]) -> Captions:
    """The captions among files of these names.

    Raises BadSetting, with file and line, when a metadata file is damaged.
    """
    names = list(names)
    photographs = {name for name in names if PurePosixPath(name).suffix.lower() in SUFFIXES}
    stems = {_stem(name) for name in photographs}
    texts = {_stem(name): name for name in names if name.endswith(".txt")}
    table: dict[str, dict[str, str]] = {}
    for name in sorted(names):
        path = PurePosixPath(name)
        if path.name in METADATA:
            for line, row in _rows(name, read):
                photograph, facts = _facts(row, f"{name}:{line}")
                photograph = str(path.parent / photograph)
                if photograph in table:
                    raise BadSetting(f"{name}:{line}: a second row for {photograph}")
                table[photograph] = facts
    strays = tuple(sorted(table.keys() - photographs))
    return Captions(
        read, table, {stem: file for stem, file in texts.items() if stem in stems}, strays
    )


def is_caption(name: str, captions: Captions) -> bool:
    """Whether a file was understood as captions."""
    return PurePosixPath(name).name in METADATA or captions.texts.get(_stem(name)) == name


def _stem(name: str) -> str:
    return name.removesuffix(PurePosixPath(name).suffix)


def _text(name: str, read: Callable[[str, int], bytes]) -> str:
    data = read(name, MAX_BYTES)
    if len(data) > MAX_BYTES:
        raise Unusable(f"{name}: longer than {MAX_BYTES} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unusable(f"{name}: not UTF-8 text; save it as UTF-8") from None


def _rows(name: str, read: Callable[[str, int], bytes]) -> Iterator[tuple[int, dict]]:
    """Line number and content of each row of a metadata file."""
    try:
        text = _text(name, read)
        if name.endswith(".csv"):
            reader = csv.DictReader(io.StringIO(text), strict=True)
            for row in reader:
                yield reader.line_num, row
        else:
            # Not splitlines, which splits at U+2028 and the like too: JSON allows them in text.
            for line, content in enumerate(text.split("\n"), 1):
                if content.strip():
                    yield line, json.loads(content)
    except Unusable as error:
        raise BadSetting(str(error)) from None
    except json.JSONDecodeError as error:
        place = f"{name}:{line}"
        raise BadSetting(f"{place}: not JSON: {error.msg}, column {error.colno}") from None
    except (csv.Error, ValueError, RecursionError) as error:
        raise BadSetting(f"{name}: cannot be read: {error}") from None


def _facts(row: dict, place: str) -> tuple[str, dict[str, str]]:
    """The photograph that a row is about, and its prompts."""
    name = row.get("file_name") if isinstance(row, dict) else None
    if not isinstance(name, str) or not name:
        raise BadSetting(f"{place}: no file_name; each row needs file_name and text")
    facts = {new: row[old] for old, new in COLUMNS.items() if row.get(old)}
    for key, text in facts.items():
        if not isinstance(text, str) or len(text) > MAX_LENGTH:
            raise BadSetting(f"{place}: {key} is not text of at most {MAX_LENGTH} characters")
    # JSON can escape half a surrogate pair, which no UTF-8 can hold.
    told = {key: printable(text.strip()) for key, text in facts.items()}
    return name, {key: text for key, text in told.items() if text}
