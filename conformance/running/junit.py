"""The suite's items in JUnit: a class for each target, in it a test for each check, with its own time."""

from __future__ import annotations

from typing import Any

import pytest

MARK = "dwc"  # that the suite's items have, and so their reports, from other processes too
SECONDS = "seconds"  # the property of an item's report that becomes its time


class ItemsInJUnit:
    """A pytest plugin that names the suite's items in `--junitxml`, whoever asked for it.

    The first item of a target judges all of its cases, for all of its checks. So the time of an item is that of the
    calls that were made for its check, and not how long the item took.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Names an item before it is written; an attribute that is set takes the place of pytest's own."""
        if MARK not in report.keywords:
            return
        about: dict[str, Any] = dict(report.user_properties)
        report.user_properties = [pair for pair in report.user_properties if pair[0] != SECONDS]
        if report.when == "call":
            report.duration = float(about.get(SECONDS, 0.0))
        plugin: Any = self._config.pluginmanager.get_plugin("junitxml")
        written = plugin and self._config.stash.get(plugin.xml_key, None)
        if not written:
            return
        reporter = written.node_reporter(report)
        reporter.add_attribute("classname", f"depthwise_conformance.{about['target']}")
        reporter.add_attribute("name", about["check"])
