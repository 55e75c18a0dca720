"""``rebind`` under accelerate's FSDP on processors: ``python fsdp_on_processors.py train …``, started by accelerate.

torch shards models on processors as well, with gloo; accelerate offers it where there are accelerators only. So it is
told that its group of processors is one of accelerators; all else is as its configuration says.
"""

from accelerate import PartialState
from accelerate.utils import DistributedType

from rebind.cli import main

begin = PartialState.__init__


def begin_as_accelerators(self, *arguments, **options):
    begin(self, *arguments, **options)
    if self.distributed_type == DistributedType.MULTI_CPU:
        self.distributed_type = DistributedType.MULTI_GPU


PartialState.__init__ = begin_as_accelerators

if __name__ == "__main__":
    main()
