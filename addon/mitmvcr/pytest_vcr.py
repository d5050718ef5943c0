"""What conftest.py files name in `pytest_plugins`; the plugin itself is `mitmvcr.testing.pytest_vcr`."""

pytest_plugins = ["mitmvcr.testing.pytest_vcr"]
