# SPDX-License-Identifier: MIT OR Apache-2.0
"""gani for Krita: Tools ▸ Scripts ▸ Edit Face… and Face Variations…"""
try:
    from krita import Krita
except ImportError:  # outside of Krita the tests use the files that need none
    Krita = None

if Krita is not None:
    from .extension import GaniExtension

    EXTENSION = GaniExtension(Krita.instance())
    Krita.instance().addExtension(EXTENSION)
