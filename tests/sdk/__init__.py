"""Real SDKs against the proxy: what they recorded from the stand-in is what they are told when it is gone."""
