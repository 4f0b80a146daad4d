"""`python -P -m depthwise_conformance.workers`: a worker on the standard streams."""

from depthwise_conformance.workers.server import main

main()
