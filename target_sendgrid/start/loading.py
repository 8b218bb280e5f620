"""Loads the SDK and other libraries without those parts that a target does not use, which take most of a start's time.

``import singer_sdk`` loads all of the SDK, the side of taps included. Its modules for targets load libraries of which
a run uses little or nothing. While `load_sdk` loads these modules, two kinds of stand-ins are in the place of others:

- A module of `POSTPONED` is the module itself, whose code only runs when somebody asks it for one of its names.
  Whatever it is asked for, it has. So this is done with every version of the SDK.
- A stand-in for a module of `DEFERRED` is there only while the SDK's modules are loaded. What the SDK takes out of it
  is a stand-in, too, which finds the real thing when it is used. Not all that Python does with a class or a function
  works with it. So this is done only with the versions of `FITTING_VERSIONS`. With any other version, these modules are
  loaded at once: nothing else changes, but the target takes twice as long to start.

How to add a version: in all places where its modules for targets use a name of a module of `DEFERRED`, check what they
do with it. While they are loaded, they may take names out of the module, read attributes and items of what they have
taken, and call it. They may not derive a class from it, compare it or look at its type. The same holds afterwards for a
name that was taken with ``from ... import``: it may not be in an ``except`` or an ``isinstance``. The tests in
`tests/project/test_startup.py` and `tests/runs` find most of what would break.

Only the command line does this. A program that imports the target gets the whole SDK.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import sys
import threading
from importlib import metadata
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POSTPONED = ("singer_sdk", "singer_sdk.about", "singer_sdk.singerlib", "logging.config", "idna", "charset_normalizer")
"""Modules that are imported with others, and are not needed themselves: those of libraries, and packages of which a run
uses only a module inside. A package stands before its modules.
"""

DEFERRED = (
    "dotenv",
    "dotenv.main",
    "importlib_metadata",
    "inflection",
    "joblib",
    "jsonschema",
    "singer_sdk.helpers._batch",
)
"""Modules out of which the SDK takes names that most runs, or all, never use."""

FITTING_VERSIONS = frozenset({"0.54.9"})
"""Versions of the SDK of which somebody has checked that they get along with `DEFERRED`, as described above."""

_SDK = "singer_sdk"

_MODULES = ("singer_sdk.target_base", "singer_sdk.sinks")
"""The SDK's modules for targets. They import all others that a target uses."""


def load_sdk() -> None:
    """Load the SDK's modules for targets and nothing else, unless the SDK has been loaded before."""
    if _SDK in sys.modules:
        return
    for name in POSTPONED:
        _postpone(name)
    # `requests` always asks for this name, and for no other: having it keeps the rest from being loaded.
    with contextlib.suppress(ImportError, AttributeError):
        version = importlib.import_module("charset_normalizer.version").__version__
        sys.modules["charset_normalizer"].__dict__["__version__"] = version
    with _deferred() if _sdk_version() in FITTING_VERSIONS else contextlib.nullcontext():
        for name in _MODULES:
            importlib.import_module(name)


def _sdk_version() -> str | None:
    try:
        return metadata.version(_SDK)
    except metadata.PackageNotFoundError:
        return None


def _postpone(name: str) -> None:
    """Put a module in its place without running its code, unless it is loaded or missing."""
    spec = None if name in sys.modules else importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    module.__class__ = _Postponed
    sys.modules[name] = module
    package, _, own_name = name.rpartition(".")
    if package:
        setattr(sys.modules[package], own_name, module)


@contextlib.contextmanager
def _deferred() -> Iterator[None]:
    """Have stand-ins in the place of the modules of `DEFERRED` that are not loaded yet."""
    made = {name: _Deferred(name) for name in DEFERRED if name not in sys.modules}
    sys.modules.update(made)
    try:
        yield
    finally:
        for name, module in made.items():
            module.is_loading = False
            del sys.modules[name]


class _Postponed(ModuleType):
    """A module whose code runs when it is asked for a name that it does not have yet."""

    _lock = threading.RLock()
    _is_running = False

    def __getattr__(self, name: str) -> object:
        full_name = f"{self.__name__}.{name}"
        if "__path__" in vars(self) and not name.startswith("_") and importlib.util.find_spec(full_name):
            return importlib.import_module(full_name)  # a module below a package needs no code of the package
        with self._lock:
            if self._is_running:  # its own code asks for it
                raise AttributeError(name)
            if type(self) is _Postponed and self.__spec__ is not None and self.__spec__.loader is not None:
                self._is_running = True
                try:
                    self.__spec__.loader.exec_module(self)
                finally:
                    del self._is_running
                self.__class__ = ModuleType  # type: ignore[assignment]  # an ordinary module from now on
        return getattr(self, name)


class _Deferred(ModuleType):
    """A module that is loaded when something of it is used."""

    is_loading = True
    """Whether the SDK is still being loaded, which takes names and uses none of them."""

    def __getattr__(self, name: str) -> object:
        if not self.is_loading:
            return getattr(importlib.import_module(self.__name__), name)
        if name.startswith("__"):  # Python looks whether a module has these, and does without
            raise AttributeError(name)
        return _Later(self, lambda: getattr(importlib.import_module(self.__name__), name))


class _Later:
    """Something of a deferred module, or made with it. It is made when it is used after the SDK has been loaded."""

    def __init__(self, module: _Deferred, make: Callable[[], Any]) -> None:
        self._module = module
        self._made = functools.cache(make)

    def _then(self, use: Callable[[Any], Any]) -> object:
        return _Later(self._module, lambda: use(self._made())) if self._module.is_loading else use(self._made())

    def __getattr__(self, name: str) -> object:
        if name.startswith("__") and self._module.is_loading:  # as above, of classes and functions
            raise AttributeError(name)
        return self._then(lambda made: getattr(made, name))

    def __getitem__(self, key: object) -> object:
        return self._then(lambda made: made[key])

    def __call__(self, *arguments: object, **options: object) -> object:
        return self._then(lambda made: made(*arguments, **options))
