"""Any SigLIP, SigLIP 2 or CLIP checkpoint behind one face: images and texts in, embeddings in the joint space out."""

from rebind.models.dual_encoder import DualEncoder
from rebind.models.embedding import embed_batch
from rebind.models.preprocessing import ImagePreprocessor, TextTokenizer
from rebind.models.small import build_small_siglip

__all__ = ["DualEncoder", "ImagePreprocessor", "TextTokenizer", "build_small_siglip", "embed_batch"]
