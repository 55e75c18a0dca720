"""Run by test_attention_triton in a process of its own, since Triton reads TRITON_INTERPRET when it is imported.

Prints one JSON list a case: its name; the largest error of the cosines against the paper's equations in float64, of the
gradients against those of the float64 torch form, relative to their largest entry; whether the types are the inputs'.
"""

import json

import torch
from attention_twin import gradients, in_double, make_inputs, pooled_form

from rebind.objectives import attention_triton
from rebind.objectives.attention_pooling import concept_attention_logits

SHAPES = {"small": (2, 7, 9, 20), "ragged": (2, 37, 66, 70), "one": (1, 1, 1, 16), "wide": (1, 260, 5, 33)}


def errors(shape, dtype, scale, masked, autocast=False):
    tokens, concepts, mask, direction = make_inputs(*shape, masked=masked, dtype=dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        cosines = concept_attention_logits(tokens, concepts, scale, mask, kernel="triton")
        actual = gradients(cosines, direction, tokens, concepts)
    exact = in_double(tokens, concepts)
    off = [float((cosines.double() - pooled_form(*exact, scale, mask)).abs().max())]
    wanted = gradients(concept_attention_logits(*exact, scale, mask), direction, *exact)
    for gradient, double in zip(actual, wanted, strict=True):
        off.append(float((gradient.double() - double).abs().max() / double.abs().max()))
    return off, cosines.dtype == torch.float32 and all(each.dtype == dtype for each in actual)


def report(name, *case):
    print(json.dumps([name, *errors(*case)]))


def oddities():
    """Padding that is not finite, chunks of images, and one input that asks for no gradient."""
    tokens, concepts, mask, direction = make_inputs(5, 6, 4, 20, masked=True, dtype=torch.float32)
    spoilt = tokens.detach().masked_fill(~mask[..., None], float("nan")).requires_grad_()
    whole = concept_attention_logits(tokens, concepts, 5.0, mask, kernel="triton")
    expected = gradients(whole, direction, tokens, concepts)
    attention_triton._CHUNK_ELEMENTS = 2 * 16 * 4  # two images at a time
    chunked = concept_attention_logits(spoilt, concepts, 5.0, mask, kernel="triton")
    found = gradients(chunked, direction, spoilt, concepts)
    off = [float((a - b).abs().max()) for a, b in zip((chunked, *found), (whole, *expected), strict=True)]
    padding_gets_none = not found[0][~mask].any()
    alone = gradients(
        concept_attention_logits(tokens.detach(), concepts, 5.0, mask, kernel="triton"), direction, concepts
    )
    off.append(float((alone[0] - expected[1]).abs().max()))
    nothing = concept_attention_logits(tokens[:0], concepts, kernel="triton")
    print(json.dumps(["oddities", off, padding_gets_none and nothing.shape == (0, 4)]))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for masked in (False, True):
        for scale in (0.0, 1.0, 10.0, 80.0):
            report(f"single small s={scale} masked={masked}", SHAPES["small"], torch.float32, scale, masked)
            report(f"half small s={scale} masked={masked}", SHAPES["small"], torch.bfloat16, scale, masked)
        for name, shape in SHAPES.items():
            report(f"single {name} s=5 masked={masked}", shape, torch.float32, 5.0, masked)
        report(f"half ragged s=10 masked={masked}", SHAPES["ragged"], torch.bfloat16, 10.0, masked)
    report("half fp16", SHAPES["small"], torch.float16, 10.0, True)
    report("half autocast", SHAPES["small"], torch.float32, 10.0, False, True)
    oddities()
