"""Run by test_attention_triton: compiles the kernels for an H100, which needs none, and prints what they take."""

import json

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from rebind.objectives.attention_triton import block_sizes
from rebind.objectives.kernels import attention

POINTERS = {"real": "*i8", "numerators": "*fp32", "cosines": "*fp32", "cosine_gradient": "*fp32"}
OPERANDS = ("tokens", "concepts", "weights", "exponents", "gram", "away")
REALS = ("scale", "smallest")


def resources(kernel, length, operands, size, backward):
    constants = block_sizes(length, size) | {"WIDE": False, "BACKWARD": backward, "WITH_EXPONENTS": backward}
    names = kernel.arg_names
    types = {name: POINTERS.get(name, f"*{operands}" if name in OPERANDS else "i32") for name in names}
    types |= dict.fromkeys(set(names) & set(REALS), "fp32") | dict.fromkeys(set(names) & set(constants), "constexpr")
    aligned = [name for name in names if types[name].startswith("*") or name in ("length", "width")]
    source = ASTSource(
        kernel,
        types,
        {(names.index(name),): value for name, value in constants.items() if name in names},
        {(names.index(name),): [["tt.divisibility", 16]] for name in aligned},
    )
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 8, "num_stages": 3})
    return compiled.metadata.shared, "wgmma" in compiled.asm["ptx"]


if __name__ == "__main__":
    for kernel in (attention.attend, attention.compare):
        for length, operands, size in ((208, "bf16", 2), (1024, "bf16", 2), (1024, "fp32", 4)):
            for backward in (False, True) if length == 208 else (True,):
                name = f"{kernel.fn.__name__} {length} {operands}"
                print(json.dumps([name, *resources(kernel, length, operands, size, backward)]))
