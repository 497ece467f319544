"""What a person looks at.

- ``scores.py``: the scores table and what its columns are called
- ``pictures.py``: holes and errors made visible
- ``sheets.py``: contact sheet of masks, before a long run
- ``figures.py``: figures that a paper could print
- ``review.py``: the review page, from ``review.html``, ``review.css`` and ``review.js``
"""
