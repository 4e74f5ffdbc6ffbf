# SPDX-License-Identifier: MIT OR Apache-2.0
"""gani for Krita: Tools ▸ Scripts ▸ Edit Face… and Face Variations…"""
try:
    from krita import Krita
except ImportError:  # the tests import this package outside of Krita
    Krita = None

if Krita is not None:
    from .extension import GaniExtension

    EXTENSION = GaniExtension(Krita.instance())
    Krita.instance().addExtension(EXTENSION)
