"""A pytest plugin (`-p outcomes_plugin`): one JSON line a test, with its times, into the file HOLDFAST_OUTCOMES names."""

import json
import os
import time


class Outcomes:
    def __init__(self, path: str) -> None:
        self.path = path
        self.running: dict[str, dict] = {}

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.running[nodeid] = {"test": nodeid, "outcome": "passed", "text": "", "began": time.time()}

    def pytest_runtest_logreport(self, report) -> None:
        found = self.running[report.nodeid]
        if report.failed:
            found["outcome"] = "failed"
            found["text"] += str(report.longrepr)
        elif report.skipped and found["outcome"] == "passed":
            found["outcome"] = "skipped"
            found["text"] = str(report.longrepr)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        found = self.running.pop(nodeid)
        found["ended"] = time.time()
        with open(self.path, "a") as file:
            file.write(json.dumps(found) + "\n")


def pytest_configure(config) -> None:
    config.pluginmanager.register(Outcomes(os.environ["HOLDFAST_OUTCOMES"]))
