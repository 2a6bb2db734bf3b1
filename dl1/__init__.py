"""What the course's notebooks import: probes and checks, export to a module, pictures."""

from dl1.checks import check_close, check_dtype, check_equal, check_gradients, check_raises, check_shape, check_true
from dl1.export import export_module
from dl1.methods import method_of
from dl1.probe import probe
from dl1.protocol import generator
from dl1.unfinished import told_if_unfinished

__all__ = [
    "check_close",
    "check_dtype",
    "check_equal",
    "check_gradients",
    "check_raises",
    "check_shape",
    "check_true",
    "export_module",
    "generator",
    "method_of",
    "probe",
    "told_if_unfinished",
]
