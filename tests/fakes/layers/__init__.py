"""An honest whole layer, with a hook for everything that can be got wrong, and variants that must all pass.

Written from the documentation, in NumPy, and independent of the reference's; the operation itself is the adapter's.
`layer_faults` overrides one hook at a time.
"""

from layers.initializers import Numbers
from layers.layer import HonestLayer, Known
from layers.parts import FUNCTIONS, OPERATION, PARTS, PREFIX, Array, Part, numpy_dtype
from layers.variants import (
    ActivityOfBatch,
    AsKerasWrites,
    BuiltByFirstCall,
    CallAlone,
    InDouble,
    OtherDraws,
    OtherErrors,
    OtherSlopes,
    RefusesWhenUsed,
)

__all__ = [
    "FUNCTIONS",
    "OPERATION",
    "PARTS",
    "PREFIX",
    "ActivityOfBatch",
    "Array",
    "AsKerasWrites",
    "BuiltByFirstCall",
    "CallAlone",
    "HonestLayer",
    "InDouble",
    "Known",
    "Numbers",
    "OtherDraws",
    "OtherErrors",
    "OtherSlopes",
    "Part",
    "RefusesWhenUsed",
    "numpy_dtype",
]
