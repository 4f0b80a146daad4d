"""The suite's items in JUnit: a class for each target, in it a test for each check."""

from __future__ import annotations

from typing import Any

import pytest

MARK = "dwc"  # that the suite's items have, and so their reports, from other processes too


class NamesInJUnit:
    """A pytest plugin that names the suite's items in `--junitxml`, whoever asked for it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Names an item before it is written; an attribute that is set takes the place of pytest's own."""
        plugin: Any = self._config.pluginmanager.get_plugin("junitxml")
        written = plugin and self._config.stash.get(plugin.xml_key, None)
        if not written or MARK not in report.keywords:
            return
        about = dict(report.user_properties)
        reporter = written.node_reporter(report)
        reporter.add_attribute("classname", f"depthwise_conformance.{about['target']}")
        reporter.add_attribute("name", about["check"])
