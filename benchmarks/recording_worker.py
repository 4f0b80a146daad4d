"""A worker that remembers the calls it answered, and can repeat them in a bare loop; for `harness.py`."""

from __future__ import annotations

import time
from contextlib import suppress

from depthwise_conformance.workers import server as worker
from depthwise_conformance.workers.protocol import Message


class RecordingServer(worker.Server):
    """Answers `bare loop` by making the first `calls` that are left again, with nothing around them."""

    def __init__(self, adapter: worker.Adapter) -> None:
        super().__init__(adapter)
        self._calls: list[Message] = []

    def answer(self, message: Message) -> Message:
        """As a Server does."""
        if message.header["operation"] != "bare loop":
            self._calls.append(message)
            return super().answer(message)
        count = message.header["calls"]
        calls = [self._bare(call) for call in self._calls[:count]]
        del self._calls[:count]
        start = time.perf_counter()
        for function, arguments in calls:
            with suppress(Exception):
                function(*arguments)
        seconds = time.perf_counter() - start
        return Message({"type": "result", "outcome": "value", "shape": [], "seconds": seconds})

    def _bare(self, message: Message):  # noqa: ANN202  # a bound method and its arguments
        header, a = message.header, message.arrays
        config, operation = worker.LayerConfig.from_json(header["arguments"]), header["operation"]
        if operation == "output_shape":
            return self._adapter.output_shape, (config, tuple(header["input_shape"]))
        if operation == "laid_out":
            operation, a = header["of"], worker.laid_out(a, header["layout"], config.channels_last)
        extra = (a["cotangent"],) if operation == "gradients" else ()
        return getattr(self._adapter, operation), (config, a["x"], a["kernel"], a.get("bias"), *extra)


worker.Server = RecordingServer  # type: ignore[misc]
worker.main()
