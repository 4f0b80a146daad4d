"""Wrong for numbers that no recipe makes."""

from __future__ import annotations

from honest import Honest


class WrongForFive(Honest):
    """Doubles a kernel that has a 5 in it."""

    name = "wrong-for-five"

    def forward(self, config, x, kernel, bias):
        return super().forward(config, x, kernel * 2 if (kernel == 5).any() else kernel, bias)
