"""What stands between mitmproxy and the core; the only package that imports mitmproxy."""
