"""Cassettes for tests: the pytest plugin and what it is made of; importing the package costs nothing.

pytest_plugin     the hooks, options and the fixture; light, since every run of pytest loads it
pytest_vcr        for suites that were written for VCR.py
cassette_session  the cassettes of a pytest process, and what they came to
session_proxy     the proxy of one test process; knows no test framework
block_network     keeps the process off the network
"""
