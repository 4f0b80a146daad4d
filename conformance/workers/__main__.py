"""`python -P -m depthwise_conformance.workers`: a worker on the standard streams."""

from depthwise_conformance.workers.warden import guard

guard()  # before anything is imported that has threads

from depthwise_conformance.workers.server import main  # noqa: E402

main()
