# SPDX-License-Identifier: MIT OR Apache-2.0
"""The records of edits. A document carries them as annotations, which .kra files keep, so that Edit Face can continue an edit later.

Krita cannot undo a change of a layer's content by a plug-in, but the addition of a layer. So an edit is a group, and a continued edit is a
new layer in it, whose blending mode Copy hides the earlier ones.
"""
import json

from . import engine
from .library import GaniError
from .qt import QByteArray

VERSION = 1
FIELDS = ("model", "preset", "face", "key", "keep", "edits", "photo")
PREFIX = "gani-edit-"


def save(document, node, values):
    """Stores how a layer was made. values: a dict that can be written as JSON."""
    text = json.dumps({"version": VERSION, "program": engine.version(), **values})
    document.setAnnotation(_key(node), "How gani made a layer", QByteArray(text.encode()))


def read(document, node):
    """The record of a layer, a dict, or None. Raises GaniError for one that cannot be read."""
    if _key(node) not in document.annotationTypes():
        return None
    try:
        record = json.loads(bytes(document.annotation(_key(node))).decode())
        if record["version"] == VERSION:
            return {name: record[name] for name in FIELDS}
        problem = "its record has version {}, but this gani reads version {}; install a newer gani".format(record["version"], VERSION)
    except (ValueError, KeyError, TypeError) as error:
        problem = "its record is damaged ({})".format(error)
    raise GaniError("The layer “{}” cannot be edited again: {}. To edit the face anew, select the layer with the photo."
                    .format(node.name(), problem))


def find(document, layer):
    """The layer that holds an edit, and its record: the layer itself, or the topmost one of its group. (None, None) without an edit."""
    for node in [layer] + layer.childNodes()[::-1]:
        record = read(document, node)
        if record:
            return node, record
    return None, None


def photo(document, record):
    """The layer with the photo of a record. Raises GaniError if it is gone."""
    wanted, nodes = record["photo"], list(document.topLevelNodes())
    for node in nodes:  # grows
        if _id(node) == wanted["id"]:
            return node
        nodes += node.childNodes()
    raise GaniError("The layer “{}”, from which this edit was made, is gone. Undo its removal, or select another layer with the face."
                    .format(wanted["name"]))


def describe(node):
    """A layer with a photo, for its record."""
    return {"id": _id(node), "name": node.name()}


def topmost(document, node):
    """The topmost layer of the group that a layer with a record is in; None unless this is a group of edits only."""
    group = node.parentNode()
    edits = [child for child in group.childNodes() if not child.type().endswith("mask")]
    is_root = group.parentNode() is None
    return None if is_root or not all(read(document, edit) for edit in edits) else edits[-1]


def _id(node):
    return node.uniqueId().toString().strip("{}")


def _key(node):
    return PREFIX + _id(node)
