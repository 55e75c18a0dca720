"""Any SigLIP, SigLIP 2 or CLIP checkpoint behind one face: images and texts in, embeddings in the joint space out."""

from rebind.models.dual_encoder import DualEncoder
from rebind.models.embedding import embed_batch
from rebind.models.loading import Encoder, load_encoder
from rebind.models.precomputed import PrecomputedEmbeddings
from rebind.models.preprocessing import ImagePreprocessor, TextTokenizer
from rebind.models.small import build_small_siglip

__all__ = [
    "DualEncoder",
    "Encoder",
    "ImagePreprocessor",
    "PrecomputedEmbeddings",
    "TextTokenizer",
    "build_small_siglip",
    "embed_batch",
    "load_encoder",
]
