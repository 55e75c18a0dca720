"""Concepts, negatives, pictures, refinement on a local Ray: ``python on_ray.py FOLDER WORLD CAPTIONS REFINED``."""

import sys

import ray
from refine_in_parts import refine_in_parts

from rebind.annotate import annotate_concepts
from rebind.annotate.negatives import annotate_negatives
from rebind.annotate.pictures import annotate_pictures
from rebind.engine import Workforce

if __name__ == "__main__":
    folder, world, captions, refined = sys.argv[1:]
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)  # once for all
    crew = Workforce("ray", 2)
    annotate_concepts(folder, workforce=crew)
    annotate_negatives(folder, workforce=crew)
    annotate_pictures(world, "world", workforce=crew)
    refine_in_parts(captions, refined, crew)
