"""PHOTOS MODEL OUT: mine neighbours of photos, embedded in parts of two, into a NumPy file; to be killed on the way."""

import sys

import numpy as np

from rebind.annotate.embeddings import embed_in_parts
from rebind.data import open_source
from rebind.engine import Workforce
from rebind.negatives.mining import Mining, mine

if __name__ == "__main__":
    photos, model, out = sys.argv[1:]
    embedded = embed_in_parts(open_source(photos), model, workforce=Workforce(jobs=1), part_size=2)
    np.save(out, mine(embedded.vectors, Mining(3, "faiss")).rows)
