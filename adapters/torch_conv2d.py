"""`torch`: torch.nn.functional.conv2d with one group for each channel."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, ClassVar

import ml_dtypes
import numpy as np

from depthwise_conformance.adapters.base import LAYOUTS, Adapter, AnyArray, Description, Gradients, Unsupported
from depthwise_conformance.adapters.translate import activate, explicit_pads, versions, weight_shapes
from depthwise_conformance.reference.config import LayerConfig


class TorchConv2d(Adapter):
    """`torch.nn.functional.conv2d(groups=channels)`; "same" becomes explicit pads, since torch has none with strides.

    The mode `channels_last` keeps input and weight in that memory format; the default is contiguous. Arrays that are
    not contiguous go to the convolution as they lie. The mode `tf32` allows TF32 products on CUDA, and declares them
    (they are torch's default there, which the default mode leaves as it is, undeclared). Raises ValueError for that
    mode on another device.

    `mkldnn_off` does without oneDNN.
    """

    name: ClassVar[str] = "torch"
    modes: ClassVar[tuple[str, ...]] = ("channels_last", "tf32", "mkldnn_off")
    layouts: ClassVar[tuple[str, ...]] = tuple(name for name in LAYOUTS if name != "reversed")  # which torch refuses

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        super().__init__(device, mode)
        # Arrays that arrive read-only are handed over without a copy, so that a write to them would be seen.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        self._torch: Any = import_module("torch")
        if mode == "tf32":
            if not device.startswith("cuda"):
                raise ValueError(f"mode 'tf32' is one of CUDA devices; it was asked for on {device}")
            self._torch.backends.cudnn.allow_tf32 = True
        if mode == "mkldnn_off":
            self._torch.backends.mkldnn.enabled = False
        functional = self._torch.nn.functional
        self._memory_format = self._torch.channels_last if mode == "channels_last" else self._torch.contiguous_format
        self._activations = {
            "relu": functional.relu,
            "relu6": functional.relu6,
            "tanh": functional.tanh,
            "sigmoid": functional.sigmoid,
            "softplus": functional.softplus,
            "gelu": functional.gelu,
            "softmax": lambda y: functional.softmax(y, dim=-1),
        }

    def describe(self) -> Description:
        """The devices are the CPU and what CUDA finds."""
        cuda = tuple(f"cuda:{index}" for index in range(self._torch.cuda.device_count()))
        return Description(
            versions("torch"),
            ("cpu", *cuda),
            unsupported={"symbolic shapes with unknown dimensions": "the meta device wants every dimension"},
            arithmetic={"float32": "TF32 products"} if self.mode == "tf32" else {},
        )

    def forward(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> AnyArray:
        """Without autograd."""
        with _declining(), self._torch.no_grad():
            return self._to_numpy(self._run(config, *self._to_tensors(x, kernel, bias)))

    def gradients(
        self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None, cotangent: AnyArray
    ) -> Gradients:
        """By autograd."""
        with _declining():
            x_, kernel_, bias_, cotangent_ = self._to_tensors(x, kernel, bias, cotangent)
            leaves = [leaf.requires_grad_() for leaf in (x_, kernel_, bias_) if leaf is not None]
            found = self._torch.autograd.grad(self._run(config, x_, kernel_, bias_), leaves, cotangent_)
            arrays = [self._to_numpy(gradient) for gradient in found]
        return Gradients(arrays[0], arrays[1], arrays[2] if bias is not None else None)

    def output_shape(self, config: LayerConfig, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """By the meta device."""
        if None in input_shape:
            raise Unsupported("torch's meta device wants every dimension")
        shapes = (input_shape, *weight_shapes(config, input_shape))
        dtype = getattr(self._torch, config.dtype)
        tensors = [None if shape is None else self._torch.empty(shape, dtype=dtype, device="meta") for shape in shapes]
        return tuple(self._apply(config, *tensors).shape)

    def _run(self, config: LayerConfig, *tensors: Any) -> Any:
        """The layer as the mode has it: here, operation by operation."""
        return self._apply(config, *tensors)

    def _apply(self, config: LayerConfig, x: Any, kernel: Any, bias: Any) -> Any:
        torch = self._torch
        as_they_lie = not (x.is_contiguous() and kernel.is_contiguous())
        if config.channels_last:
            x = x.permute(0, 3, 1, 2)
        channels, multiplier = kernel.shape[2:]
        weight = kernel.permute(2, 3, 0, 1).reshape(channels * multiplier, 1, *config.kernel_size)
        (top, bottom), (left, right) = explicit_pads(config, *x.shape[2:])
        padding = (top, left)
        if (top, left) != (bottom, right):  # conv2d pads both sides alike
            x, padding = torch.nn.functional.pad(x, (left, right, top, bottom)), (0, 0)
        if not as_they_lie:
            x, weight = (one.contiguous(memory_format=self._memory_format) for one in (x, weight))
        y = torch.nn.functional.conv2d(x, weight, bias, config.strides, padding, config.dilation_rate, channels)
        return activate(config, self._activations, y.permute(0, 2, 3, 1) if config.channels_last else y)

    def _to_tensors(self, *arrays: AnyArray | None) -> list[Any]:
        return [None if array is None else self._to_tensor(array) for array in arrays]

    def _to_tensor(self, array: AnyArray) -> Any:
        if array.dtype == ml_dtypes.bfloat16:  # unknown to torch's NumPy bridge, which carries its bits
            return self._torch.from_numpy(array.view(np.int16)).view(self._torch.bfloat16).to(self.device)
        return self._torch.from_numpy(array).to(self.device)

    def _to_numpy(self, tensor: Any) -> AnyArray:
        tensor = tensor.detach().cpu()
        if tensor.dtype == self._torch.bfloat16:
            return np.asarray(tensor.view(self._torch.int16).numpy().view(ml_dtypes.bfloat16))
        return np.asarray(tensor.numpy())


@contextmanager
def _declining() -> Iterator[None]:
    """torch's "not implemented for 'Half'" is a limit that it declares, spelled as a RuntimeError."""
    try:
        yield
    except RuntimeError as error:  # NotImplementedError is one
        if isinstance(error, NotImplementedError) or "not implemented for" in str(error):
            raise Unsupported(str(error)) from error
        raise
