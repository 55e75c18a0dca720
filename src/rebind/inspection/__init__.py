"""What a source holds, counted and looked at before anything is trained on it."""

from rebind.inspection.inspection import Inspection, inspect
from rebind.inspection.page import write_inspection_page

__all__ = ["Inspection", "inspect", "write_inspection_page"]
