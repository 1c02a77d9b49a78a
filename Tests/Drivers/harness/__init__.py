"""What the driver suites run on: servers, proxies, ways to them, and the comparison of results."""
