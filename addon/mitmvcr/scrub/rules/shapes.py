"""What a secret looks like: one table of kinds with a fixed prefix or shape; no text is read here.

Shapes and entropy thresholds are those of gitleaks' default rules (v8.30.1, config/gitleaks.toml),
as far as a kind can be told by itself; kinds that only their context tells are in `context`. Where
gitleaks wants a quote or a blank behind a secret we don't: a body may put anything there.
"""

# ruff: noqa: E501 - a kind is a row of a table

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache


@cache
def compiled(shape: bytes, *, any_case: bool = False) -> re.Pattern[bytes]:
    """A shape as a pattern, when it is first needed: all of them would take a tenth of the start."""
    return re.compile(shape, re.IGNORECASE if any_case else 0)


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of secret.

    `literals` are texts one of which every match holds: the scanner looks for them alone, then tries
    the pattern at most `back` bytes before. `kind` names the replacement (`REDACTED-kind-1`): one
    lower-case word that has one of gitleaks' stopwords in it (`token`), else its generic-api-key takes
    the replacement for a secret. `entropy` is Shannon's, in bits per byte, that the match must have. `bounded`: no letter,
    digit or underscore may stand in front. The match's group 1, or all of it, is the secret.
    """

    name: str
    kind: str
    literals: tuple[str, ...]
    shape: bytes
    entropy: float = 0.0
    back: int = 0
    bounded: bool = True
    any_case: bool = False
    accept: Callable[[bytes], bool] | None = None

    @property
    def pattern(self) -> re.Pattern[bytes]:
        return compiled(self.shape, any_case=self.any_case)


_DIGIT = re.compile(rb"[0-9]")
_UPPER = re.compile(rb"[A-Z]")
# 16 letters and digits without a break: no words joined by hyphens have that.
_LONG_RUN = re.compile(rb"[A-Za-z0-9]{16}")


def _is_random(value: bytes) -> bool:
    """Whether a token has what words joined by hyphens don't: digits or capitals in one long run."""
    return _LONG_RUN.search(value) is not None or (
        _DIGIT.search(value) is not None and _UPPER.search(value) is not None
    )


def _has_digit_or_capital(value: bytes) -> bool:
    return _DIGIT.search(value) is not None or _UPPER.search(value[5:]) is not None


def _has_digit_and_capital(value: bytes) -> bool:
    return _DIGIT.search(value) is not None and _UPPER.search(value) is not None


def _no_example(value: bytes) -> bool:
    return not value.endswith(b"EXAMPLE")


_VAGUE = frozenset({"s.", "live_", "test_", "-us", "key-", "Q~", "A3-", "sl.", "pk.", "sk.", ":AA", "API-"})
"""Literals that other texts have too: there the entropy decides; the others tell a secret by themselves."""

_KINDS = frozenset({"token", "org", "project", "cookie"})


def as_kind(vendor: str) -> str:
    """The kind of a vendor's secrets."""
    return vendor if vendor in _KINDS else f"{vendor}token"


def _rule(  # noqa: PLR0913 - a row of the table
    name: str,
    kind: str,
    literals: str,
    shape: str,
    entropy: float = 0.0,
    *,
    back: int = 0,
    bounded: bool = True,
    any_case: bool = False,
    accept: Callable[[bytes], bool] | None = None,
) -> Rule:
    texts = tuple(dict.fromkeys((f"{literals} {literals.upper()}" if any_case else literals).split()))
    vague = any(text.isalnum() or text in _VAGUE for text in texts)
    return Rule(
        name, as_kind(kind), texts, shape.encode(), entropy if vague else 0.0, back, bounded, any_case, accept
    )


# fmt: off
OPENAI = (
    # A kind by its name, then anything a key is made of; `sk-` and a word alone are `sk-key`'s.
    _rule("openai-key", "token", "sk-proj- sk-svcacct- sk-admin- sk-service- sk-None-", r"sk-[A-Za-z]{4,8}-[\w-]{16,512}"),
    _rule("anthropic-key", "token", "sk-ant-", r"sk-ant-[\w-]{16,512}"),
    # DeepSeek, OpenRouter, OpenAI before 2024 and others; not words joined by hyphens (`sk-learn-pipeline-of-mine`).
    _rule("sk-key", "token", "sk-", r"sk-[\w-]{20,512}", accept=_is_random),
    _rule("openai-ephemeral-key", "token", "ek_", r"ek_[A-Za-z0-9_-]{20,512}", accept=_is_random),
    # `org-` and a word (`org-chart`) is none: a digit or a capital must be behind.
    _rule("openai-organization", "org", "org-", r"org-[A-Za-z0-9]{16,64}", accept=_has_digit_or_capital),
    _rule("openai-project", "project", "proj_", r"proj_[A-Za-z0-9]{16,64}", accept=_has_digit_or_capital),
)

OTHERS = (
    # Groups of capitals and digits joined by hyphens: 6, 11 (or 6 and 5), then three of 5.
    _rule("1password-secret-key", "onepassword", "A3-", r"A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}", 3.8),
    _rule("1password-service-account-token", "onepassword", "ops_eyJ", r"ops_eyJ[a-zA-Z0-9+/_-]{250,8192}={0,3}", 4, bounded=False),
    _rule("adobe-client-secret", "adobe", "p8e-", r"p8e-[A-Za-z0-9]{32}", 2),
    _rule("age-secret-key", "age", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}", bounded=False),
    _rule("airtable-personal-access-token", "airtable", "pat", r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}"),
    _rule("alibaba-access-key-id", "alibaba", "LTAI", r"LTAI[A-Za-z0-9]{20}(?![A-Za-z0-9])", 2),
    _rule("artifactory-api-key", "artifactory", "AKCp", r"AKCp[A-Za-z0-9]{69}(?![A-Za-z0-9])", 4.5),
    _rule("artifactory-reference-token", "artifactory", "cmVmd", r"cmVmd[A-Za-z0-9]{59}(?![A-Za-z0-9])", 4.5),
    _rule("atlassian-api-token", "atlassian", "ATATT3", r"ATATT3[A-Za-z0-9_\-=]{186}", 3.5),
    # The literal stands in the middle: an id in front of it, at most 46 bytes back, and the secret behind.
    _rule("authress-access-key", "authress", ".acc_ .acc-", r"(?:sc|ext|scauth|authress)_[A-Za-z0-9]{5,30}\.[A-Za-z0-9]{4,6}\.acc[_-][A-Za-z0-9-]{10,32}\.[A-Za-z0-9+/_=-]{30,120}", 2, back=46),
    # AWS writes these ids in base 32: no 0, 1, 8, 9. Documentation's end in EXAMPLE.
    _rule("aws-access-key-id", "aws", "A3T AKIA ASIA ABIA ACCA", r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9_])", 3, accept=_no_example),
    _rule("aws-bedrock-key", "aws", "ABSK", r"ABSK[A-Za-z0-9+/]{109,269}={0,2}", 3),
    _rule("aws-bedrock-short-key", "aws", "bedrock-api-key-", r"bedrock-api-key-YmVkcm9jay5[A-Za-z0-9+/=_-]{0,8192}", bounded=False),
    # `Q~` stands behind four characters, the last a digit; the length tells it from prose.
    _rule("azure-ad-client-secret", "azure", "Q~", r"[a-zA-Z0-9_~.]{3}\dQ~[a-zA-Z0-9_~.-]{31,34}", 3, back=4),
    # 84 letters and digits, the literal 52 behind the beginning.
    _rule("azure-ai-key", "azure", "JQQJ99", r"[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{26}(?![A-Za-z0-9])", 3, back=52),
    _rule("clickhouse-key", "clickhouse", "4b1d", r"4b1d[A-Za-z0-9]{38}(?![A-Za-z0-9_])", 3),
    _rule("clojars-token", "clojars", "CLOJARS_ clojars_", r"(?i:CLOJARS_)[A-Za-z0-9]{60}", 2, bounded=False),
    # The name stays, the value (group 1) is the secret.
    _rule("cloudflare-cookie", "cookie", "__cf_bm= _cfuvid=", r"(?:__cf_bm|_cfuvid)=([\w.-]{40,512})"),
    _rule("cloudflare-origin-ca-key", "cloudflare", "v1.0-", r"v1\.0-[a-f0-9]{24}-[a-f0-9]{146}", 2),
    _rule("databricks-token", "databricks", "dapi", r"dapi[a-f0-9]{32}(?:-\d)?(?![A-Za-z0-9])", 3),
    _rule("defined-networking-token", "dnkey", "dnkey-", r"dnkey-[A-Za-z0-9=_-]{26}-[A-Za-z0-9=_-]{52}", bounded=False, any_case=True),
    _rule("digitalocean-token", "digitalocean", "doo_v1_ dop_v1_ dor_v1_", r"do[opr]_v1_[A-Fa-f0-9]{64}", 3, any_case=True),
    _rule("doppler-token", "doppler", "dp.pt.", r"dp\.pt\.[A-Za-z0-9]{43}", 2, bounded=False),
    _rule("dropbox-token", "dropbox", "sl.", r"sl\.[A-Za-z0-9_=-]{130,2048}", any_case=True),
    _rule("duffel-token", "duffel", "duffel_test_ duffel_live_", r"duffel_(?:test|live)_[A-Za-z0-9_=-]{43}", 2, bounded=False),
    _rule("dynatrace-token", "dynatrace", "dt0c01.", r"dt0c01\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{64}", 4, bounded=False),
    _rule("easypost-token", "easypost", "EZAK EZTK", r"EZ[AT]K[A-Za-z0-9]{54}(?![A-Za-z0-9_])", 2),
    _rule("facebook-page-token", "facebook", "EAAM EAAC", r"EAA[MC][A-Za-z0-9]{100,1024}", 4),
    _rule("flutterwave-key", "flutterwave", "FLWSECK_TEST- FLWPUBK_TEST-", r"FLW(?:SEC|PUB)K_TEST-[A-Ha-h0-9]{12}(?:[A-Ha-h0-9]{20}-X)?", 2, bounded=False),
    # `fo1_` is of fixed length; macaroons (`fm…`) are Base64 of any.
    _rule("flyio-token", "flyio", "fo1_ fm1a_ fm1r_ fm2_", r"(?:fo1_[\w-]{43}|fm(?:1[ar]|2)_[a-zA-Z0-9+/]{100,8192}={0,3})", 4),
    _rule("frameio-token", "frameio", "fio-u-", r"fio-u-[A-Za-z0-9_=-]{64}", bounded=False),
    _rule("gcp-api-key", "gcp", "AIza", r"AIza[\w-]{35}(?![\w-])", 4),
    _rule("gcp-oauth-token", "gcp", "ya29.", r"ya29\.[\w.-]{30,2048}"),
    _rule("gcp-oauth-secret", "gcp", "GOCSPX-", r"GOCSPX-[\w-]{28}"),
    _rule("github-token", "github", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[0-9a-zA-Z]{36}", 3, bounded=False),
    _rule("github-fine-grained-pat", "github", "github_pat_", r"github_pat_\w{82}", 3, bounded=False),
    _rule("gitlab-cicd-job-token", "gitlab", "glcbt-", r"glcbt-[0-9a-zA-Z]{1,5}_[\w-]{20}", 3, bounded=False),
    # All of GitLab's prefixes share a shape; newer ones have a checksum of nine behind a dot.
    _rule("gitlab-token", "gitlab", "gldt- glffct- glft- glpat- glrt- glsoat- gloas- glagent- glimt-", r"gl(?:dt|ffct|ft|pat|rt|soat|oas|agent|imt)-[\w-]{20,300}(?:\.[0-9a-z]{2}[0-9a-z]{7})?", 3, bounded=False),
    _rule("gitlab-trigger-token", "gitlab", "glptt-", r"glptt-[0-9a-f]{40}", 3, bounded=False),
    _rule("gitlab-runner-registration-token", "gitlab", "GR1348941", r"GR1348941[\w-]{20}", 3, bounded=False),
    _rule("gitlab-session-cookie", "gitlab", "_gitlab_session", r"_gitlab_session=([0-9a-z]{32})", 3, bounded=False),
    # `live_` begins others' names too, so it must look random.
    _rule("gocardless-token", "gocardless", "live_", r"live_[A-Za-z0-9_=-]{40}(?![\w=-])", 3, accept=_is_random, any_case=True),
    _rule("grafana-api-key", "grafana", "eyJrIjoi", r"eyJrIjoi[A-Za-z0-9]{70,400}={0,3}", 3, any_case=True),
    _rule("grafana-cloud-token", "grafana", "glc_", r"glc_[A-Za-z0-9+/]{32,400}={0,3}", 3, any_case=True),
    _rule("grafana-service-account-token", "grafana", "glsa_", r"glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}", 3, any_case=True),
    _rule("groq-key", "groq", "gsk_", r"gsk_[A-Za-z0-9]{32,64}(?![A-Za-z0-9_])", 3),
    _rule("harness-key", "harness", "pat. sat.", r"[ps]at\.[\w-]{22}\.[a-zA-Z0-9]{24}\.[a-zA-Z0-9]{20}", bounded=False),
    _rule("hashicorp-terraform-token", "hashicorp", ".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}", 3.5, back=14, bounded=False),
    _rule("heroku-key", "heroku", "HRKU-AA", r"HRKU-AA[\w-]{58}", 4),
    _rule("huggingface-token", "huggingface", "hf_", r"hf_[A-Za-z0-9]{34,40}(?![A-Za-z0-9_])", 2),
    _rule("huggingface-organization-token", "huggingface", "api_org_", r"api_org_[A-Za-z]{34}(?![A-Za-z0-9_])", 2),
    _rule("infracost-token", "infracost", "ico-", r"ico-[a-zA-Z0-9]{32}(?![A-Za-z0-9_])", 3),
    _rule("intra42-client-secret", "intra", "s-s4t2", r"s-s4t2(?:ud|af)-[A-Fa-f0-9]{64}", 3),
    # Header and payload are Base64 of JSON objects (`{"` is `ey`); the signature may be missing (`alg: none`).
    _rule("jwt", "jw", "ey", r"ey[a-zA-Z0-9]{17,16384}\.ey[a-zA-Z0-9/\\_-]{17,65536}\.(?:[a-zA-Z0-9/\\_-]{10,16384}={0,2})?", 3),
    # A JWT in Base64 once more (`eyJ` is `ZXlK`), as cookies have it.
    _rule("jwt-base64", "jw", "ZXlK", r"ZXlK[A-Za-z0-9+/\\_-]{40,65536}={0,2}", 3),
    _rule("linear-key", "linear", "lin_api_", r"lin_api_[A-Za-z0-9]{40}", 2, bounded=False),
    # Of fixed length, for `live_` and `test_` stand in many names.
    _rule("lob-key", "lob", "live_ test_", r"(?:live|test)_(?:pub_[a-f0-9]{31}|[a-f0-9]{35})(?![A-Za-z0-9])", 3, any_case=True),
    # 32 hexadecimal digits in front of the data centre; not a longer hash.
    _rule("mailchimp-key", "mailchimp", "-us", r"[a-f0-9]{32}-us\d\d?(?![A-Za-z0-9])", 3, back=32, any_case=True),
    _rule("mailgun-key", "mailgun", "key-", r"(?:pub)?key-[a-f0-9]{32}(?![A-Za-z0-9])", 3, back=3, any_case=True),
    _rule("mapbox-token", "mapbox", "pk. sk.", r"[ps]k\.[A-Za-z0-9]{60,120}\.[\w-]{22}", 3, any_case=True),
    _rule("maxmind-license-key", "maxmind", "_mmk", r"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk", 4, back=36),
    _rule("netlify-token", "netlify", "nfp_ nfc_", r"nf[pc]_[A-Za-z0-9]{36}", 3),
    _rule("new-relic-key", "newrelic", "NRAK- NRII- NRJS-", r"(?:NRAK-[A-Za-z0-9]{27}|NRII-[A-Za-z0-9-]{32}|NRJS-[a-f0-9]{19})", any_case=True),
    _rule("notion-token", "notion", "ntn_", r"ntn_[0-9]{11}[A-Za-z0-9]{35}", 4),
    _rule("npm-token", "npm", "npm_", r"npm_[A-Za-z0-9]{36}", 2, any_case=True),
    _rule("octopus-deploy-key", "octopus", "API-", r"API-[A-Z0-9]{26}(?![A-Za-z0-9_])", 3),
    # The literal is Base64 of "OpenAI"; the key begins up to 130 bytes before.
    _rule("openai-legacy-key", "token", "T3BlbkFJ", r"sk-[\w-]{20,120}T3BlbkFJ[\w-]{20,120}", 3, back=130),
    _rule("openshift-token", "openshift", "sha256~", r"sha256~[\w-]{43}", 3.5),
    _rule("perplexity-key", "perplexity", "pplx-", r"pplx-[a-zA-Z0-9]{48}", 4),
    _rule("plaid-token", "plaid", "access-", r"access-(?:sandbox|development|production)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", any_case=True),
    _rule("planetscale-token", "planetscale", "pscale_tkn_ pscale_oauth_ pscale_pw_", r"pscale_(?:tkn|oauth|pw)_[\w=.-]{32,64}", 3, any_case=True),
    _rule("postman-token", "postman", "PMAK-", r"PMAK-[A-Fa-f0-9]{24}-[A-Fa-f0-9]{34}", 3),
    _rule("prefect-token", "prefect", "pnu_", r"pnu_[a-zA-Z0-9]{36}", 2),
    _rule("pulumi-token", "pulumi", "pul-", r"pul-[a-f0-9]{40}", 2),
    _rule("pypi-token", "pypi", "pypi-AgEIcHlwaS5vcmc pypi-AgENdGVzdC5weXBpLm9yZ", r"pypi-AgE[\w-]{50,1000}", 3, bounded=False),
    _rule("readme-token", "readme", "rdme_", r"rdme_[a-z0-9]{70}", 2),
    _rule("rubygems-token", "rubygems", "rubygems_", r"rubygems_[a-f0-9]{48}", 2),
    _rule("scalingo-token", "scalingo", "tk-us-", r"tk-us-[\w-]{48}", 2),
    _rule("sendgrid-token", "sendgrid", "SG.", r"SG\.[A-Za-z0-9=_.-]{66}", 2),
    _rule("sendinblue-token", "sendinblue", "xkeysib-", r"xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}", 2),
    _rule("sentry-org-token", "sentry", "sntrys_eyJ", r"sntrys_eyJ[a-zA-Z0-9+/=_-]{60,600}", 3.5),
    _rule("sentry-user-token", "sentry", "sntryu_", r"sntryu_[a-f0-9]{64}", 3),
    _rule("settlemint-token", "settlemint", "sm_aat_ sm_pat_ sm_sat_", r"sm_[aps]at_[a-zA-Z0-9]{16}", 3),
    _rule("shippo-token", "shippo", "shippo_live_ shippo_test_", r"shippo_(?:live|test)_[a-fA-F0-9]{40}", 2),
    _rule("shopify-token", "shopify", "shpat_ shpca_ shppa_ shpss_", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}", 2, bounded=False),
    _rule("slack-app-token", "slack", "xapp-", r"xapp-\d-[A-Za-z0-9]{1,32}-\d{1,32}-[A-Za-z0-9]{1,128}", 2, bounded=False, any_case=True),
    _rule("slack-config-token", "slack", "xoxe. xoxe-", r"xoxe(?:\.xox[bp])?-\d-[A-Za-z0-9]{146,166}", 2, bounded=False, any_case=True),
    _rule("slack-token", "slack", "xoxb- xoxp- xoxe- xoxo- xoxs-", r"xox[bpeos]-[0-9]{1,14}-[A-Za-z0-9-]{5,160}", 2, bounded=False),
    _rule("slack-legacy-workspace-token", "slack", "xoxa- xoxr-", r"xox[ar]-(?:\d-)?[0-9a-zA-Z]{8,48}", 2, bounded=False),
    # The path (group 1) is the secret, the host stays.
    _rule("slack-webhook", "slack", "hooks.slack.com", r"hooks\.slack\.com/((?:services|workflows|triggers)/[A-Za-z0-9+/]{43,56})", bounded=False),
    # Likewise the path: two ids, and the webhook's own of 32 hexadecimal digits.
    _rule("microsoft-teams-webhook", "teams", ".webhook.office.com", r"\.webhook\.office\.com/webhookb2/([a-z0-9@-]{70,80}/IncomingWebhook/[a-z0-9]{32}/[a-z0-9-]{36})", bounded=False),
    # User and password of a gem server; its host must stand behind and stays.
    _rule("sidekiq-url", "sidekiq", "contribsys.com", r"[A-Fa-f0-9]{8}:[A-Fa-f0-9]{8}(?=@(?:gems|enterprise)\.contribsys\.com)", back=29),
    _rule("sonar-token", "sonar", "squ_ sqp_ sqa_", r"sq[upa]_[a-f0-9]{40}", 3, any_case=True),
    _rule("sourcegraph-token", "sourcegraph", "sgp_", r"sgp_(?:(?:[a-fA-F0-9]{16}|local)_)?[a-fA-F0-9]{40}", 3, any_case=True),
    _rule("square-token", "square", "EAAA sq0atp-", r"(?:EAAA|sq0atp-)[\w-]{22,60}(?![\w-])", 3),
    _rule("stripe-key", "stripe", "sk_test_ sk_live_ sk_prod_ rk_test_ rk_live_ rk_prod_", r"[sr]k_(?:test|live|prod)_[a-zA-Z0-9]{10,250}", 2),
    _rule("stripe-webhook-secret", "stripe", "whsec_", r"whsec_[A-Za-z0-9+/=]{24,64}", 3),
    _rule("tailscale-key", "tailscale", "tskey-", r"tskey-[a-z]{3,12}-[A-Za-z0-9-]{16,80}", 3),
    # The bot's number, then 35 characters of which Telegram begins all with AA.
    _rule("telegram-bot-token", "telegram", ":AA", r"[0-9]{8,10}:AA[\w-]{33}(?![\w-])", 3, back=10),
    # Two letters are no sign by themselves: exactly 32 hexadecimal digits must follow.
    _rule("twilio-key", "twilio", "SK AC", r"(?:SK[0-9a-fA-F]{32}|AC[0-9a-f]{32})(?![A-Za-z0-9])", 3),
    _rule("typeform-token", "typeform", "tfp_", r"tfp_[A-Za-z0-9_.=-]{59}", 3, any_case=True),
    # Service tokens are shorter than batch tokens.
    _rule("vault-token", "vault", "hvs. hvb.", r"(?:hvs\.[\w-]{90,120}|hvb\.[\w-]{138,300})", 3.5),
    # `s.` ends many words: 24 letters and digits, random ones, must follow and no more.
    _rule("vault-legacy-token", "vault", "s.", r"s\.[A-Za-z0-9]{24}(?![A-Za-z0-9])", 3.5, accept=_has_digit_and_capital),
    _rule("xai-key", "xai", "xai-", r"xai-[A-Za-z0-9]{70,90}", 3),
    _rule("yandex-key", "yandex", "AQVN", r"AQVN[A-Za-z0-9_-]{35,38}(?![\w-])", 3),
)
# fmt: on

RULES = OPENAI + OTHERS
