"""German credit as a component written in Python: the same declaration and the same coefficients
as the Rust one, so that the two must give the same scores.

`build.sh` puts the two files' texts beside this module as `files.py`; they are read when the
component is built, not when it runs.
"""

from componentize_py_types import Err
from wit_world.exports.scoring import Document, Scores

import files
from scorecard import Scorecard

DOCUMENT_VERSION = 1
CARD = Scorecard(files.SCORECARD)


class Scoring:
    def describe(self):
        return Document(version=DOCUMENT_VERSION, json=files.DECLARATION)

    def score(self, batch):
        try:
            scores, contributions = CARD.score(batch.rows, batch.values, batch.explain)
        except ValueError as why:
            raise Err(str(why)) from why
        return Scores(scores=scores, contributions=contributions)
