"""The suites that are coded, in the order of the table, and the fakes that they are tried on.

Of the faults of the operation these are left out, as no call of forward or backward can show them: `arguments` (layers
that accept or refuse what they should not), `shapes` (shapes stated without computing), `death` (they would take this
process along), `threads` (what the cores of the process decide), and `memory` (how arrays lie that are not contiguous,
which no suite has). Faults of whole layers are left out altogether. Of
the honest fakes DeclaresTF32 is left out, since no suite lets a kernel declare its arithmetic, and Talkative, which is
the plain one that prints.

Coded are suites whose cases for this operation are known. BackendBench, flashinfer-bench, TritonBench, GPU MODE,
AgentKernelArena, tensara, MIOpenDriver, WebNN and Tenstorrent bring rules, but no shapes or no depthwise ones.
"""

from __future__ import annotations

import faults
from faults import arguments, death, memory, shapes, threads
from honest import HONEST, DeclaresTF32, Talkative

from depthwise_conformance.adapters.base import Adapter
from peers import benchdnn, kernelbench, nvidia, stored, tensorflow_own, tfjs, tflite, xnnpack
from peers.suites import Suite

LEFT_OUT = {family.__name__ for family in (arguments, death, memory, shapes, threads)}
FAULTS: tuple[type[Adapter], ...] = tuple(fault for fault in faults.FAULTS if fault.__module__ not in LEFT_OUT)
HONEST_FAKES: tuple[type[Adapter], ...] = tuple(fake for fake in HONEST if fake not in (DeclaresTF32, Talkative))
SUITES: tuple[Suite, ...] = tuple(
    suite
    for module in (kernelbench, benchdnn, xnnpack, stored, tflite, tfjs, tensorflow_own, nvidia)
    for suite in module.SUITES
)
