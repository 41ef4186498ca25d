"""Settings of the documentation site, and the steps before its build. ``make docs`` builds it."""

import os
import sys
import typing
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# jaxtyping then shows shapes as Float[Array, "S N C"], without the name of its module.
typing.GENERATING_DOCUMENTATION = "bal"  # type: ignore[attr-defined]

from building import copies, fields, pictures, reference

import bal

copies.write(DOCS.parent, DOCS / "generated")
pictures.write(DOCS / "generated" / "figures")
reference.write(DOCS / "generated" / "reference")

project = "bal"
author = "the authors of bal"
copyright = "the authors of bal, Apache-2.0"
version = release = bal.__version__
html_title = "bal"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx-mathjax-offline",  # MathJax comes from a package, so equations show without a network too
    "sphinx.ext.viewcode",
    "sphinx_design",
    "myst_nb",
]
exclude_patterns = ["building"]

# The notebooks are shown as they are committed; ``make test`` runs their code, with few steps of training.
nb_execution_mode = "off"
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "special-members": "__call__"}
autosummary_generate = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
python_maximum_signature_line_length = 88
python_display_short_literal_types = True
viewcode_follow_imported_members = True

# Every cross-reference to a name of bal must be found. Others would need a network.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!bal\.).*"),
    ("py:.*", r"bal\..*\._.*"),
    ("py:class", r"bal\..*(Result|Annotated.*)"),
]

html_theme = "sphinx_book_theme"
html_static_path = ["_static"]
html_css_files = ["bal.css"]
html_context = {"default_mode": "auto"}  # the theme's script complains of an empty one
html_theme_options = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
}


def setup(app):
    app.connect("autodoc-process-docstring", fields.describe)
    app.connect("autodoc-process-docstring", fields.keep_stars)
    app.connect("autodoc-skip-member", fields.skip)
