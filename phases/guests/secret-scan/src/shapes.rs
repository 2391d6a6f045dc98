//! The shapes of tokens whose issuers gave them a prefix. The table is sorted by first byte; a shape is a prefix and how many characters
//! of which alphabet follow.

use orc_guest::Severity;

/// Character classes; an alphabet is a sum of them.
pub(crate) const DIGIT: u8 = 1;
pub(crate) const UPPER: u8 = 2;
pub(crate) const LOWER: u8 = 4;
/// `0-9a-f`
pub(crate) const HEX: u8 = 8;
/// `-` and `_`
pub(crate) const URL: u8 = 16;
pub(crate) const DOT: u8 = 32;
/// `/` and `+`
const BASE64: u8 = 64;

pub(crate) const ALNUM: u8 = DIGIT | UPPER | LOWER;

/// The classes of each byte. A byte of no class ends a word.
pub(crate) static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0u8; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'0'..=b'9' => DIGIT | HEX,
            b'a'..=b'f' => LOWER | HEX,
            b'g'..=b'z' => LOWER,
            b'A'..=b'Z' => UPPER,
            b'-' | b'_' => URL,
            b'.' => DOT,
            b'/' | b'+' => BASE64,
            _ => 0,
        };
        byte += 1;
    }
    table
}

/// A kind of token.
pub(crate) struct Shape {
    pub(crate) prefix: &'static [u8],
    /// What follows the prefix.
    pub(crate) alphabet: u8,
    pub(crate) min: usize,
    pub(crate) max: usize,
    pub(crate) rule: &'static str,
    pub(crate) what: &'static str,
    pub(crate) severity: Severity,
}

const MANY: usize = 1_000;

const fn shape(prefix: &'static [u8], alphabet: u8, min: usize, max: usize, rule: &'static str, what: &'static str) -> Shape {
    Shape { prefix, alphabet, min, max, rule, what, severity: Severity::Critical }
}

const AWS: (&str, &str) = ("aws-access-key", "an AWS access key id");
const GITHUB: (&str, &str) = ("github-token", "a GitHub token");
const GITLAB: (&str, &str) = ("gitlab-token", "a GitLab token");
const SHOPIFY: (&str, &str) = ("shopify-token", "a Shopify token");
const SLACK: (&str, &str) = ("slack-token", "a Slack token");
const STRIPE: (&str, &str) = ("stripe-key", "a Stripe key");
const OPENAI: (&str, &str) = ("openai-key", "an OpenAI key");
const OCEAN: (&str, &str) = ("digitalocean-token", "a DigitalOcean token");
const GRAFANA: (&str, &str) = ("grafana-token", "a Grafana token");
const VAULT: (&str, &str) = ("vault-token", "a Vault token");

/// All shapes, sorted by first byte.
pub(crate) const SHAPES: &[Shape] = &[
    shape(b"ABIA", UPPER | DIGIT, 16, 16, AWS.0, AWS.1),
    shape(b"ACCA", UPPER | DIGIT, 16, 16, AWS.0, AWS.1),
    shape(b"AGE-SECRET-KEY-1", UPPER | DIGIT, 58, 58, "age-key", "an age private key"),
    shape(b"AIza", ALNUM | URL, 35, 35, "google-api-key", "a Google API key"),
    shape(b"AKIA", UPPER | DIGIT, 16, 16, AWS.0, AWS.1),
    shape(b"ASIA", UPPER | DIGIT, 16, 16, AWS.0, AWS.1),
    shape(b"ATATT3", ALNUM | URL, 100, MANY, "atlassian-token", "an Atlassian token"),
    shape(b"GOCSPX-", ALNUM | URL, 28, 28, "google-oauth", "a Google OAuth client secret"),
    shape(b"SG.", ALNUM | URL | DOT, 60, 80, "sendgrid-key", "a SendGrid key"),
    shape(b"cio", ALNUM, 32, 32, "crates-io-token", "a crates.io token"),
    shape(b"dapi", HEX, 32, 32, "databricks-token", "a Databricks token"),
    shape(b"dckr_pat_", ALNUM | URL, 20, 60, "docker-token", "a Docker Hub token"),
    shape(b"discord.com/api/webhooks/", ALNUM | URL | BASE64, 60, MANY, "discord-webhook", "a Discord webhook address"),
    shape(b"doo_v1_", HEX, 64, 64, OCEAN.0, OCEAN.1),
    shape(b"dop_v1_", HEX, 64, 64, OCEAN.0, OCEAN.1),
    shape(b"dor_v1_", HEX, 64, 64, OCEAN.0, OCEAN.1),
    shape(b"dp.pt.", ALNUM, 40, 44, "doppler-token", "a Doppler token"),
    shape(b"ghp_", ALNUM, 36, 255, GITHUB.0, GITHUB.1),
    shape(b"gho_", ALNUM, 36, 255, GITHUB.0, GITHUB.1),
    shape(b"ghu_", ALNUM, 36, 255, GITHUB.0, GITHUB.1),
    shape(b"ghs_", ALNUM | URL | DOT, 36, MANY, GITHUB.0, GITHUB.1),
    shape(b"ghr_", ALNUM, 36, 255, GITHUB.0, GITHUB.1),
    shape(b"github_pat_", ALNUM | URL, 60, 255, GITHUB.0, GITHUB.1),
    shape(b"glagent-", ALNUM | URL, 40, 80, GITLAB.0, GITLAB.1),
    shape(b"glcbt-", ALNUM | URL, 20, 80, GITLAB.0, GITLAB.1),
    shape(b"gldt-", ALNUM | URL, 20, 80, GITLAB.0, GITLAB.1),
    shape(b"glft-", ALNUM | URL, 20, 80, GITLAB.0, GITLAB.1),
    shape(b"gloas-", ALNUM | URL, 40, 80, GITLAB.0, GITLAB.1),
    shape(b"glpat-", ALNUM | URL | DOT, 20, MANY, GITLAB.0, GITLAB.1),
    shape(b"glptt-", ALNUM, 40, 80, GITLAB.0, GITLAB.1),
    shape(b"glrt-", ALNUM | URL | DOT, 20, MANY, GITLAB.0, GITLAB.1),
    shape(b"glc_", ALNUM | BASE64, 32, MANY, GRAFANA.0, GRAFANA.1),
    shape(b"glsa_", ALNUM | URL, 41, 41, GRAFANA.0, GRAFANA.1),
    shape(b"hf_", ALNUM, 34, 40, "huggingface-token", "a Hugging Face token"),
    shape(b"hooks.slack.com/services/T", ALNUM | BASE64, 30, MANY, "slack-webhook", "a Slack webhook address"),
    shape(b"hvb.", ALNUM | URL, 90, MANY, VAULT.0, VAULT.1),
    shape(b"hvs.", ALNUM | URL, 24, MANY, VAULT.0, VAULT.1),
    shape(b"lin_api_", ALNUM, 40, 40, "linear-key", "a Linear key"),
    shape(b"npm_", ALNUM, 36, 36, "npm-token", "an npm token"),
    shape(b"pul-", HEX, 40, 40, "pulumi-token", "a Pulumi token"),
    shape(b"pypi-AgE", ALNUM | URL, 50, MANY, "pypi-token", "a PyPI token"),
    shape(b"rk_live_", ALNUM, 20, MANY, STRIPE.0, STRIPE.1),
    shape(b"rk_test_", ALNUM, 20, MANY, STRIPE.0, STRIPE.1),
    shape(b"rubygems_", HEX, 48, 48, "rubygems-token", "a RubyGems token"),
    shape(b"shpat_", ALNUM, 32, 32, SHOPIFY.0, SHOPIFY.1),
    shape(b"shpca_", ALNUM, 32, 32, SHOPIFY.0, SHOPIFY.1),
    shape(b"shppa_", ALNUM, 32, 32, SHOPIFY.0, SHOPIFY.1),
    shape(b"shpss_", ALNUM, 32, 32, SHOPIFY.0, SHOPIFY.1),
    shape(b"sk-admin-", ALNUM | URL, 40, MANY, OPENAI.0, OPENAI.1),
    shape(b"sk-ant-", ALNUM | URL, 60, MANY, "anthropic-key", "an Anthropic key"),
    shape(b"sk-proj-", ALNUM | URL, 40, MANY, OPENAI.0, OPENAI.1),
    shape(b"sk-svcacct-", ALNUM | URL, 40, MANY, OPENAI.0, OPENAI.1),
    shape(b"sk-", ALNUM, 48, 48, OPENAI.0, OPENAI.1),
    shape(b"sk_live_", ALNUM, 20, MANY, STRIPE.0, STRIPE.1),
    shape(b"sk_test_", ALNUM, 20, MANY, STRIPE.0, STRIPE.1),
    shape(b"whsec_", ALNUM | BASE64, 24, MANY, STRIPE.0, STRIPE.1),
    shape(b"xapp-", ALNUM | URL, 40, MANY, SLACK.0, SLACK.1),
    shape(b"xoxa-", ALNUM | URL, 20, MANY, SLACK.0, SLACK.1),
    shape(b"xoxb-", ALNUM | URL, 20, MANY, SLACK.0, SLACK.1),
    shape(b"xoxc-", ALNUM | URL, 20, MANY, SLACK.0, SLACK.1),
    shape(b"xoxd-", ALNUM | URL | BASE64, 20, MANY, SLACK.0, SLACK.1),
    shape(b"xoxe-", ALNUM | URL, 20, MANY, SLACK.0, SLACK.1),
    shape(b"xoxe.", ALNUM | URL | DOT, 40, MANY, SLACK.0, SLACK.1),
    shape(b"xoxp-", ALNUM | URL, 20, MANY, SLACK.0, SLACK.1),
    shape(b"xoxr-", ALNUM | URL, 20, MANY, SLACK.0, SLACK.1),
    shape(b"xoxs-", ALNUM | URL, 20, MANY, SLACK.0, SLACK.1),
    shape(b"ya29.", ALNUM | URL, 40, MANY, "google-oauth", "a Google OAuth access token"),
];

/// Where the shapes with a first byte stand in the table: from, to.
static INDEX: [(u8, u8); 256] = index();

const fn index() -> [(u8, u8); 256] {
    assert!(SHAPES.len() < 256);
    let mut table = [(0, 0); 256];
    let mut at = 0;
    while at < SHAPES.len() {
        let first = SHAPES[at].prefix[0] as usize;
        if at == 0 || SHAPES[at - 1].prefix[0] as usize != first {
            assert!(table[first].1 == 0, "the shapes are not sorted by first byte");
            table[first].0 = at as u8;
        }
        table[first].1 = at as u8 + 1;
        at += 1;
    }
    table
}

/// The shapes that begin with this byte.
pub(crate) fn shapes_of(first: u8) -> &'static [Shape] {
    let (from, to) = INDEX[usize::from(first)];
    &SHAPES[usize::from(from)..usize::from(to)]
}

/// Base64 of `{"`.
pub(crate) const WEB_TOKEN_BEGINS: &[u8] = b"eyJ";

/// For each first byte, one bit for each second byte that a token can have.
static SECOND: [[u64; 2]; 256] = second();

const fn second() -> [[u64; 2]; 256] {
    let mut table = [[0; 2]; 256];
    let mut at = 0;
    while at <= SHAPES.len() {
        let prefix = if at < SHAPES.len() { SHAPES[at].prefix } else { WEB_TOKEN_BEGINS };
        let second = prefix[1] as usize;
        table[prefix[0] as usize][second / 64] |= 1 << (second % 64);
        at += 1;
    }
    table
}

/// Whether the first two bytes are those of a token: nearly always not, and found out cheaply.
pub(crate) fn begins_token(text: &[u8]) -> bool {
    let [first, second, ..] = text else { return false };
    let seconds = SECOND[usize::from(*first)][usize::from(second >> 6 & 1)];
    second.is_ascii() && seconds >> (second & 63) & 1 == 1
}

/// Bytes from the beginning of `text` that belong to `alphabet`.
pub(crate) fn run(text: &[u8], alphabet: u8) -> usize {
    text.iter().position(|byte| CLASS[usize::from(*byte)] & alphabet == 0).unwrap_or(text.len())
}
