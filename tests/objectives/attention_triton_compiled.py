"""Run by test_attention_triton: compiles the kernels for an H100, which needs none, and prints what they take."""

import json

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from rebind.objectives.attention_triton import block_sizes
from rebind.objectives.kernels import attention

HALF, SINGLE = "*bf16", "*fp32"
TYPES = {  # of the tensors, the numbers and the sizes; see the kernels
    "attend": [(HALF, HALF, "*i8", HALF, HALF, SINGLE), "fp32", ("i32",) * 4],
    "compare": [(HALF, HALF, SINGLE, SINGLE, HALF, HALF, SINGLE), ("fp32",) * 2, ("i32",) * 3],
}
ALIGNED = [["tt.divisibility", 16]]


def resources(kernel, length):
    """Shared memory in bytes, and whether Hopper's tensor cores are used; bfloat16, backward."""
    chosen = block_sizes(length, 2) | {"WIDE": False, "BACKWARD": True, "WITH_EXPONENTS": True}
    names, types = kernel.arg_names, TYPES[kernel.fn.__name__]
    constants = {(names.index(name),): value for name, value in chosen.items() if name in names}
    signature = dict(zip(names, types + ["constexpr"] * len(constants), strict=True))
    aligned = [(0, each) for each in range(len(types[0]))] + [(2, each) for each in range(2, len(types[2]))]
    source = ASTSource(kernel, signature, constants, dict.fromkeys(aligned, ALIGNED))
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 8, "num_stages": 3})
    return compiled.metadata.shared, "wgmma" in compiled.asm["ptx"]


if __name__ == "__main__":
    for kernel in (attention.attend, attention.compare):
        for length in (208, 1024):
            print(json.dumps([f"{kernel.fn.__name__} {length}", *resources(kernel, length)]))
