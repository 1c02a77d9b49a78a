"""What the driver suites run on: servers, proxies, ways to them, and the comparison of results."""

import sys
from pathlib import Path

# The servers, proxies and trails of the end-to-end tests.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "EndToEnd"))
