"""Other layers that do what the documentation says, all of which must pass."""

from __future__ import annotations

import json

import layers

from honest.operation import Honest


class LayerBuiltByFirstCall(Honest):
    """Has layers that are built by their first call."""

    layer_class = layers.BuiltByFirstCall


class LayerCallAlone(Honest):
    """Has layers that can only be called."""

    layer_class = layers.CallAlone


class LayerActivityOfBatch(Honest):
    """Does not divide the loss of an activity regularizer by the batch size."""

    layer_class = layers.ActivityOfBatch


class LayerOtherDraws(Honest):
    """Draws initial weights by other methods."""

    layer_class = layers.OtherDraws


class LayerOtherSlopes(Honest):
    """Takes the slope of the absolute value at zero for one."""

    layer_class = layers.OtherSlopes


class LayerAsKerasWrites(Honest):
    """Keeps habits of Keras that no page documents."""

    layer_class = layers.AsKerasWrites

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        file = layers.AsKerasWrites(self, (1,)).configuration_file()
        if not file.exists():
            return
        content = file.read_text()
        try:
            found = json.loads(content).get("image_data_format", "channels_last")
        except ValueError:
            return
        if found not in ("channels_last", "channels_first"):
            raise ValueError(f"invalid image_data_format {found}")


class LayerInDouble(Honest):
    """Calculates losses, updates and constraints in float64."""

    layer_class = layers.InDouble


class LayerOtherErrors(Honest):
    """Refuses with other errors where the documentation names none."""

    layer_class = layers.OtherErrors


class LayerRefusesWhenUsed(Honest):
    """Refuses arguments when the layer is first used."""

    layer_class = layers.RefusesWhenUsed
