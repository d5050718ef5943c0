"""What a program's environment becomes, from what it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mitmvcr.errors import SettingsError
from mitmvcr.launch import environment
from mitmvcr.launch.environment import Endpoints, Via
from mitmvcr.launch.trust import TrustFiles

FORWARD = "http://127.0.0.1:4000"
REVERSE = "http://127.0.0.1:4001"
AZURE = "http://127.0.0.1:4002"
TRUST = TrustFiles(Path("/t/bundle.pem"), Path("/t/extra.pem"), "/t/c:/etc/c", Path("/t/j"))
THIS_MACHINE = "localhost,127.0.0.1,::1,127.0.0.0/8"
OPENAI = Endpoints(FORWARD, {"OPENAI_BASE_URL": ("https://api.openai.com/v1", f"{REVERSE}/v1")})


def changed(environ: dict[str, str], via: Via = Via.AUTO, *, replays: bool = False) -> dict[str, str]:
    return environment.changes(OPENAI, TRUST, environ, via, replays=replays)


def test_both_spellings_of_the_proxy_are_set() -> None:
    after = changed({})
    for name in ("HTTPS_PROXY", "HTTP_PROXY"):
        assert after[name] == after[name.lower()] == FORWARD


@pytest.mark.parametrize("name", ["ALL_PROXY", "all_proxy"])
def test_a_proxy_for_everything_is_replaced_where_there_is_one(name: str) -> None:
    assert "ALL_PROXY" not in changed({})
    after = changed({name: "http://corp:3128"})
    assert after["ALL_PROXY"] == after["all_proxy"] == FORWARD


def test_tools_with_a_variable_of_their_own_are_told_where_it_is_set() -> None:
    assert "PIP_CERT" not in changed({})
    assert changed({"PIP_CERT": "/corp.pem"})["PIP_CERT"] == "/t/bundle.pem"


@pytest.mark.parametrize(
    ("before", "after"),
    [("", ":/t/php"), (":/own", ":/own:/t/php"), ("/own", "/own:/t/php"), (":/t/php", ":/t/php")],
)
def test_php_reads_its_own_configuration_and_ours_behind_it(before: str, after: str) -> None:
    environ = {"PHP_INI_SCAN_DIR": before} if before else {}
    assert changed(environ)["PHP_INI_SCAN_DIR"] == after


def test_no_proxy_keeps_what_was_there_in_its_order_and_gets_loopback() -> None:
    after = changed({"NO_PROXY": "zoo.example, .corp", "no_proxy": "zoo.example,10.0.0.0/8,::1"})
    assert after["NO_PROXY"] == after["no_proxy"] == "zoo.example,.corp,10.0.0.0/8,::1,localhost,127.0.0.1"


def test_a_proxy_elsewhere_is_not_gone_through_to_its_own_reverse_listener() -> None:
    where = Endpoints("http://host.docker.internal:1", OPENAI.bases)
    after = environment.changes(where, TRUST, {}, Via.AUTO, replays=False)
    assert after["NO_PROXY"] == "localhost,127.0.0.1,::1,host.docker.internal"
    assert "|host.docker.internal|" in after["JAVA_TOOL_OPTIONS"]


def test_every_runtime_is_told_what_to_trust() -> None:
    after = changed({})
    bundle = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE")
    assert {after[name] for name in bundle} == {"/t/bundle.pem"}
    assert {after[name] for name in ("NODE_EXTRA_CA_CERTS", "DENO_CERT")} == {"/t/extra.pem"}
    assert after["SSL_CERT_DIR"] == "/t/c:/etc/c"
    assert after["NODE_USE_ENV_PROXY"] == "1"


def test_by_base_url_alone_no_proxy_and_no_trust_is_set() -> None:
    after = changed({}, Via.BASE_URL)
    assert after["OPENAI_BASE_URL"] == f"{REVERSE}/v1"
    assert not [name for name in after if name.lower().endswith("proxy") and not name.startswith("MITMVCR")]
    assert "SSL_CERT_FILE" not in after
    assert "JAVA_TOOL_OPTIONS" not in after


def test_by_proxy_alone_no_base_url_is_set() -> None:
    after = changed({}, Via.PROXY)
    assert "OPENAI_BASE_URL" not in after
    assert after["HTTPS_PROXY"] == FORWARD


def test_java_keeps_what_the_user_had_and_gets_proxy_and_store() -> None:
    options = changed({"JAVA_TOOL_OPTIONS": "-Xmx1g", "NO_PROXY": ".corp,a.example:443,10.0.0.0/8"})[
        "JAVA_TOOL_OPTIONS"
    ].split()
    assert options[0] == "-Xmx1g"
    assert "-Dhttps.proxyHost=127.0.0.1" in options
    assert "-Dhttps.proxyPort=4000" in options
    assert "-Dhttp.nonProxyHosts=corp|*.corp|a.example|localhost|127.0.0.1|[::1]|127.*" in options
    assert "-Djavax.net.ssl.trustStore=/t/j" in options


def test_a_trust_store_of_the_users_own_stays() -> None:
    had = "-Djavax.net.ssl.trustStore=/own"
    assert changed({"JAVA_TOOL_OPTIONS": had})["JAVA_TOOL_OPTIONS"].count("trustStore") == 1


def test_in_a_run_inside_of_a_run_java_has_the_inner_ones_options_alone() -> None:
    outer = changed({"JAVA_TOOL_OPTIONS": "-Xmx1g"})
    assert changed(outer)["JAVA_TOOL_OPTIONS"] == outer["JAVA_TOOL_OPTIONS"]


@pytest.mark.parametrize(
    ("path", "option"),
    [
        ("/a b/j", '"-Djavax.net.ssl.trustStore=/a b/j"'),
        ("/it's/j", '"-Djavax.net.ssl.trustStore=/it\'s/j"'),
        ('/a"b/j', """"-Djavax.net.ssl.trustStore=/a"'"'"b/j\""""),
    ],
)
def test_java_reads_a_path_with_blanks_and_quotes_as_one_word(path: str, option: str) -> None:
    trust = TrustFiles(TRUST.bundle, TRUST.extra, "", Path(path))
    after = environment.changes(OPENAI, trust, {}, Via.AUTO, replays=False)
    assert option in after["JAVA_TOOL_OPTIONS"]


def test_replay_gives_a_key_where_none_is_set() -> None:
    assert changed({}, replays=True)["OPENAI_API_KEY"] == environment.DUMMY_KEY
    assert changed({"OPENAI_API_KEY": ""}, replays=True)["OPENAI_API_KEY"] == environment.DUMMY_KEY
    assert "OPENAI_API_KEY" not in changed({"OPENAI_API_KEY": "own"}, replays=True)
    assert "OPENAI_API_KEY" not in changed({})
    assert "AZURE_OPENAI_API_KEY" not in changed({}, replays=True)  # it would make a client choose Azure


@pytest.mark.parametrize(
    ("environ", "upstream", "names"),
    [
        ({}, "", {"OPENAI_BASE_URL": "", "OPENAI_API_BASE": ""}),
        (
            {"OPENAI_BASE_URL": "https://openrouter.ai/api/v1"},
            "",
            dict.fromkeys(("OPENAI_BASE_URL", "OPENAI_API_BASE"), "https://openrouter.ai/api/v1"),
        ),
        (
            {"OPENAI_API_BASE": "http://a/v1", "OPENAI_BASE_URL": "http://b/v1"},
            "",
            {"OPENAI_BASE_URL": "http://b/v1", "OPENAI_API_BASE": "http://a/v1"},
        ),
        (
            {"OPENAI_BASE_URL": "http://a/v1"},
            "http://localhost:11434",
            dict.fromkeys(("OPENAI_BASE_URL", "OPENAI_API_BASE"), "http://localhost:11434/v1"),
        ),
        (
            {"AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com"},
            "",
            {
                "OPENAI_BASE_URL": "",
                "OPENAI_API_BASE": "",
                "AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com",
            },
        ),
    ],
)
def test_what_the_variables_stand_for(environ: dict[str, str], upstream: str, names: dict[str, str]) -> None:
    assert environment.base_urls(environ, upstream) == names


@pytest.mark.parametrize("url", ["api.openai.com", "ftp://a/", "http://", "https://a:b/", "http://[::1/v1"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="OPENAI_BASE_URL"):
        environment.base_urls({"OPENAI_BASE_URL": url})


def test_an_inner_run_knows_the_real_base_urls() -> None:
    outer = changed({"AZURE_OPENAI_ENDPOINT": ""})
    inner = environment.base_urls({**outer})
    assert inner["OPENAI_BASE_URL"] == "https://api.openai.com/v1"


def test_a_broken_note_of_the_outer_run_is_refused() -> None:
    for text in ("[1]", "{", '{"a": 1}'):
        with pytest.raises(SettingsError, match=environment.BASE_URLS):
            environment.base_urls({environment.BASE_URLS: text})


def test_upstreams_that_differ_have_a_listener_each_and_paths_stay() -> None:
    names = environment.base_urls(
        {
            "OPENAI_BASE_URL": "https://user:pass@openrouter.ai/api/v1?x=1",
            "AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com/",
        }
    )
    upstreams = environment.upstreams_of(names)
    assert upstreams == ["https://openrouter.ai/api/v1?x=1", "https://x.openai.azure.com/"]
    bases = environment.endpoints(names, upstreams, FORWARD, [REVERSE, AZURE]).bases
    assert bases["OPENAI_BASE_URL"][1] == "http://user:pass@127.0.0.1:4001/api/v1?x=1"
    assert bases["OPENAI_API_BASE"][1] == bases["OPENAI_BASE_URL"][1]
    assert bases["AZURE_OPENAI_ENDPOINT"][1] == f"{AZURE}/"


def test_one_listener_is_enough_for_one_host() -> None:
    names = environment.base_urls(
        {
            "OPENAI_BASE_URL": "https://x.openai.azure.com/openai/v1",
            "AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com",
        }
    )
    assert environment.upstreams_of(names) == ["https://x.openai.azure.com/openai/v1"]


def test_a_cassette_of_azures_leads_azure_clients_too() -> None:
    names = environment.base_urls({})
    where = environment.endpoints(names, ["https://x.openai.azure.com/v1"], FORWARD, [REVERSE])
    assert where.bases["AZURE_OPENAI_ENDPOINT"] == ("https://x.openai.azure.com", REVERSE)
    after = environment.changes(where, TRUST, {}, Via.AUTO, replays=True)
    assert after["AZURE_OPENAI_API_KEY"] == environment.DUMMY_KEY


def test_the_notes_for_an_inner_run_say_what_the_variables_stand_for() -> None:
    after = changed({})
    assert json.loads(after[environment.BASE_URLS]) == {"OPENAI_BASE_URL": "https://api.openai.com/v1"}
    assert after[environment.PROXY] == FORWARD


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, ("", "")),
        # Another machine's proxy has a loopback of its own.
        ({"HTTPS_PROXY": "http://corp:3128", "NO_PROXY": "a"}, ("http://corp:3128", f"a,{THIS_MACHINE}")),
        ({"all_proxy": "corp:3128"}, ("http://corp:3128", THIS_MACHINE)),
        # Nothing goes past an outer run, loopback neither.
        ({"MITMVCR_PROXY": "http://outer", "HTTPS_PROXY": "http://x", "NO_PROXY": "a"}, ("http://outer", "")),
    ],
)
def test_the_proxy_that_was_there_is_gone_through(environ: dict[str, str], proxy: tuple[str, str]) -> None:
    assert environment.upstream_proxy(environ) == proxy


@pytest.mark.parametrize(
    ("url", "base_url"),
    [
        ("http://localhost:11434", "http://localhost:11434/v1"),
        ("http://localhost:11434/", "http://localhost:11434/v1"),
        (" http://[::1]:8000/ ", "http://[::1]:8000/v1"),
        ("https://gateway.example?key=x", "https://gateway.example/v1?key=x"),
        ("https://gateway.example/?key=x", "https://gateway.example/v1?key=x"),
        ("https://user:pass@gateway.example", "https://user:pass@gateway.example/v1"),
        ("https://gateway.example/api/", "https://gateway.example/api/"),
        ("https://gateway.example//", "https://gateway.example//"),
    ],
)
@pytest.mark.parametrize("by_flag", [True, False])
def test_a_base_url_without_a_path_has_openais(url: str, base_url: str, by_flag: bool) -> None:
    environ = {} if by_flag else {"OPENAI_BASE_URL": url}
    names = environment.base_urls(environ, url if by_flag else "")
    assert set(names.values()) == {base_url}


def test_an_azure_endpoint_has_no_path_of_openais() -> None:
    endpoint = "https://x.openai.azure.com"
    assert environment.base_urls({"AZURE_OPENAI_ENDPOINT": endpoint})["AZURE_OPENAI_ENDPOINT"] == endpoint


def test_a_wrong_url_is_told_without_its_password() -> None:
    with pytest.raises(SettingsError) as caught:
        environment.base_urls({"OPENAI_BASE_URL": "https://user:hush@gateway:none/v1"})
    assert "gateway:none" in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "recorded", "found"),
    [
        ("http://given/v2", "http://recorded/v1", "http://given/v2"),
        ("", "http://recorded/api/v1", "http://recorded/api/v1"),
        ("", "http://recorded:11434", "http://recorded:11434/v1"),
        ("", "", "https://api.openai.com/v1"),
    ],
)
def test_upstream_is_what_is_given_else_what_was_recorded_else_the_api(
    given: str, recorded: str, found: str
) -> None:
    assert environment.found_upstream(given, recorded) == found


def test_without_a_reverse_listener_no_base_url_is_led_anywhere() -> None:
    names = environment.base_urls({"OPENAI_BASE_URL": "https://gateway.example/v1"})
    assert environment.endpoints(names, (), FORWARD, ()).bases == {}


def test_by_proxy_inside_of_a_run_the_base_urls_are_the_real_ones_again() -> None:
    outer = changed({})
    inner = environment.changes(Endpoints(FORWARD, {}), TRUST, outer, Via.PROXY, replays=False)
    assert inner["OPENAI_BASE_URL"] == "https://api.openai.com/v1"
    assert inner[environment.BASE_URLS] == outer[environment.BASE_URLS]


def test_what_is_printed_can_have_no_password() -> None:
    java = "-Xmx1g -Dhttp.proxyPassword=hush '-Djavax.net.ssl.keyStorePassword=hush hush' -Dy=1"
    environ = {
        "OPENAI_BASE_URL": "https://user:hush@gateway.example/v1",
        "AZURE_OPENAI_ENDPOINT": "https://hush@x.openai.azure.com",
        "MITMVCR_BASE_URLS": '{"OPENAI_API_BASE": "https://user:hush@gateway.example/v1"}',
        "JAVA_TOOL_OPTIONS": java,
        "NO_PROXY": "a",
    }
    printable, reduced = environment.without_passwords(environ)
    assert "hush" not in str(printable)
    assert printable["OPENAI_BASE_URL"] == "https://gateway.example/v1"
    assert printable["JAVA_TOOL_OPTIONS"] == "-Xmx1g -Dy=1"
    assert printable["NO_PROXY"] == "a"
    assert reduced == ["OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT", "JAVA_TOOL_OPTIONS"]


def test_what_has_no_password_is_printed_as_it_is() -> None:
    java = '"-Dfoo=a  b"  -Djavax.net.ssl.trustStorePassword=changeit'
    environ = {"OPENAI_BASE_URL": "https://gateway.example/v1", "JAVA_TOOL_OPTIONS": java}
    printable, reduced = environment.without_passwords(environ)
    assert reduced == []
    assert printable["OPENAI_BASE_URL"] == environ["OPENAI_BASE_URL"]
    assert printable["JAVA_TOOL_OPTIONS"].split() == java.split()
