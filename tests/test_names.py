"""One name for one thing: a public class of one room is not called as one of another."""

import importlib
import inspect
import pkgutil

import bal


def public_classes():
    """Names of the classes that the rooms export, with the classes."""
    found = {}
    for module in pkgutil.iter_modules(bal.__path__, "bal."):
        if module.name.startswith("bal.studies"):
            continue
        room = importlib.import_module(module.name)
        for name in getattr(room, "__all__", vars(room)):
            thing = getattr(room, name)
            if inspect.isclass(thing) and thing.__module__.startswith("bal.") and not name.startswith("_"):
                found.setdefault(name, set()).add(thing)
    return found


def test_no_two_public_classes_have_one_name():
    assert {name: things for name, things in public_classes().items() if len(things) > 1} == {}


def test_what_rooms_export_is_there_and_sorted():
    for module in pkgutil.iter_modules(bal.__path__, "bal."):
        room = importlib.import_module(module.name)
        names = getattr(room, "__all__", [])
        assert all(hasattr(room, name) for name in names), module.name
        assert len(set(names)) == len(names), module.name
