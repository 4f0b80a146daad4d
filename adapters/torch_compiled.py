"""`torch:compile` and `torch:export`: the convolution that the target `torch` calls, compiled, and exported."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from depthwise_conformance.adapters.torch_conv2d import TorchConv2d
from depthwise_conformance.reference.config import LayerConfig

Layer = Callable[..., Any]


class _Prepared(TorchConv2d):
    """What is made of layer and activation is kept until another layer, shape or layout in memory comes."""

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        self._made: tuple[Any, Any] = (None, None)

    @abstractmethod
    def prepare(self, layer: Layer, tensors: tuple[Any, ...]) -> Layer:
        """What is called instead of the layer; `tensors` are its arguments."""

    def _run(self, config: LayerConfig, *tensors: Any) -> Any:
        arrays = [(one.shape, one.stride()) for one in tensors if one is not None]
        key = (config, arrays, self._torch.is_grad_enabled())
        if key != self._made[0]:
            self._made = (key, self.prepare(partial(self._apply, config), tensors))
        return self._made[1](*tensors)


class TorchCompiled(_Prepared):
    """`torch.compile` by Inductor, in one graph."""

    modes: ClassVar[tuple[str, ...]] = ("compile",)
    layouts: ClassVar[tuple[str, ...]] = ()  # each is compiled anew
    cases = 24

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        self._programs = keep_compiled()
        super().__init__(device, mode)

    def prepare(self, layer: Layer, tensors: tuple[Any, ...]) -> Layer:
        """Afresh: after some shapes torch gives up recompiling."""
        self._torch._dynamo.reset()
        compiled: Layer = self._torch.compile(layer, fullgraph=True)
        return compiled


class TorchExported(_Prepared):
    """The module that `torch.export` makes."""

    modes: ClassVar[tuple[str, ...]] = ("export",)

    def prepare(self, layer: Layer, tensors: tuple[Any, ...]) -> Layer:
        """Of a module with the weights as arguments."""
        torch = self._torch
        module = type("Layer", (torch.nn.Module,), {"forward": lambda self, *arrays: layer(*arrays)})()
        with torch.no_grad():
            arrays = tuple(one if one is None else one.detach() for one in tensors)
            exported: Layer = torch.export.export(module, arrays).module()
        return exported


def keep_compiled() -> TemporaryDirectory[str]:
    """A folder for what Inductor compiles, as long as the caller holds it; to be called before torch is imported.

    Otherwise programs stay where all users of the machine have theirs, and processes that compile stay, too.
    """
    folder = TemporaryDirectory(prefix="depthwise-conformance-", ignore_cleanup_errors=True)
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", folder.name)
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
    return folder
