"""What drawing a page may cost, and how much of a student's output is kept."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20

# Of one cell, and of a whole notebook. Parts of a stream in a row are one output.
MAX_OUTPUTS = 500
MAX_NOTEBOOK_OUTPUTS = 5_000
MAX_NOTEBOOK_BYTES = 32 * MIB
# A browser needs four bytes for a pixel, however small the file is.
MAX_PIXELS = 25_000_000
MAX_NOTEBOOK_PIXELS = 150_000_000
# Pictures that students hand in, in a notebook; how long their longer side may be in pixels, and what their files may
# have together.
MAX_PHOTOS = 60
MAX_SIDE_SHOWN = 2_000
MAX_PHOTO_BYTES = 24 * MIB
# What is shown of a cell, and of all such cells of a page, where it is shown as plain text.
MAX_PLAIN = 20_000
MAX_ALL_PLAIN = 1_000_000


@dataclass(frozen=True)
class PageLimits:
    """Caps on drawing one page, and on making the texts of one notebook safe, in a process of their own.

    A page that can't be drawn within them is drawn once more with the cells that are to blame as plain text; to find
    these takes as long again. So the worst page costs four times ``cpu_seconds``.

    Attributes:
        cpu_seconds: computing time of one drawing of a page.
        cell_cpu_seconds: computing time of one cell, where each is drawn by itself.
        wall_seconds: time on the clock for one page, all drawings together; generous, for a busy machine.
        memory_bytes: address space of the process that draws.
        page_bytes: size of a page.
    """

    cpu_seconds: float = 10.0
    cell_cpu_seconds: float = 2.0
    wall_seconds: float = 300.0
    memory_bytes: int = 2 * 2**30
    page_bytes: int = 64 * MIB
