"""mitmvcr: record OpenAI traffic through mitmproxy into go-vcr cassettes, and replay it offline."""

__version__ = "0.1.0"
