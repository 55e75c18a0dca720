"""``python pack_slowly.py SOURCE OUT``: pack, five samples a shard."""

import sys

from rebind.data.packing import pack

if __name__ == "__main__":
    pack(sys.argv[1], sys.argv[2], samples_per_shard=5, max_side=40)
