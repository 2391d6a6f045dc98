//! Secrets are put together here from halves, so that this file holds none that another scanner would find.

use orc_guest::testing::*;
use serde_json::{Value, json};

use super::*;

#[test]
fn cases() {
    run_gate_cases::<SecretScan>(env!("CARGO_MANIFEST_DIR"));
}

fn hits(line: &str) -> Vec<&'static str> {
    let mut hits = Vec::new();
    scan::line(line.as_bytes(), |hit| hits.push(hit.rule));
    hits
}

/// Characters as random ones are: repeatable, without runs, many different.
fn random(alphabet: &str, length: usize) -> String {
    let letters: Vec<char> = alphabet.chars().collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        letters[(state % letters.len() as u64) as usize]
    };
    (0..length).map(|_| next()).collect()
}

const MIXED: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const CAPITAL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HEX: &str = "0123456789abcdef";

/// One secret of each kind, with its rule.
fn secrets() -> Vec<(&'static str, String)> {
    let mixed = |prefix: &str, length| format!("{prefix}{}", random(MIXED, length));
    vec![
        ("aws-access-key", format!("AKIA{}", random(CAPITAL, 16))),
        ("age-key", format!("AGE-SECRET-KEY-1{}", random(CAPITAL, 58))),
        ("google-api-key", mixed("AIza", 35)),
        ("google-oauth", mixed("GOCSPX-", 28)),
        ("sendgrid-key", format!("SG.{}.{}", random(MIXED, 22), random(MIXED, 43))),
        ("databricks-token", format!("dapi{}", random(HEX, 32))),
        ("digitalocean-token", format!("dop_v1_{}", random(HEX, 64))),
        ("github-token", mixed("ghp_", 36)),
        ("github-token", mixed("github_pat_", 82)),
        ("gitlab-token", mixed("glpat-", 20)),
        ("huggingface-token", mixed("hf_", 34)),
        (
            "slack-webhook",
            format!("https://hooks.slack.com/services/T{}/B{}/{}", random(CAPITAL, 8), random(CAPITAL, 8), random(MIXED, 24)),
        ),
        ("npm-token", mixed("npm_", 36)),
        ("pypi-token", mixed("pypi-AgEIcHlwaS5vcmc", 80)),
        ("stripe-key", mixed("sk_live_", 24)),
        ("anthropic-key", mixed("sk-ant-api03-", 90)),
        ("openai-key", mixed("sk-proj-", 60)),
        ("shopify-token", format!("shpat_{}", random(HEX, 32))),
        ("slack-token", format!("xoxb-{}-{}", random("0123456789", 12), random(MIXED, 24))),
        ("vault-token", mixed("hvs.", 40)),
        ("telegram-bot-token", format!("872911346:AA{}", random(MIXED, 33))),
        ("azure-client-secret", format!("aB78Q~{}", random(MIXED, 34))),
        ("json-web-token", format!("eyJ{}.eyJ{}.{}", random(MIXED, 30), random(MIXED, 60), random(MIXED, 43))),
        ("url-password", "postgres://app:k7Fq2mWz9@db.internal:5432/app".to_owned()),
        ("private-key", format!("-----BEGIN RSA {} KEY-----", "PRIVATE")),
        ("private-key", format!("-----BEGIN OPENSSH {} KEY-----\\nb3BlbnNzaC1rZXktdjEA", "PRIVATE")),
    ]
}

#[test]
fn every_kind_is_found_wherever_it_stands() {
    for (rule, secret) in secrets() {
        for line in [
            secret.clone(),
            format!("    key: {secret}"),
            format!("let x = \"{secret}\";"),
            format!("{{\"a\":\"b\",\"c\":\"{secret}\"}}"),
            format!("curl -H 'X-Key: {secret}' https://api.internal/v1"),
            format!("\"first line\\n{secret}\\nlast\""),
            format!("?a=1%26k%3D{secret}&b"),
            format!("# was {secret}, rotate"),
            format!("export A={secret}"),
        ] {
            assert!(hits(&line).contains(&rule), "{rule} in {line}: {:?}", hits(&line));
        }
    }
}

#[test]
fn tokens_that_are_too_short_or_stand_ins_are_none() {
    for line in [
        "ghp_short".to_owned(),
        format!("ghp_{}", "x".repeat(36)),
        format!("ghp_{}", "0".repeat(36)),
        "AKIAIOSFODNN7EXAMPLE".to_owned(),
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        format!("XAKIA{}", random(CAPITAL, 16)),
        format!("AKIA{}", random(CAPITAL, 20)),
        "sk_live_your_key_goes_here_1".to_owned(),
        "token: ${GITHUB_TOKEN}".to_owned(),
        "Authorization: Bearer <your-token>".to_owned(),
        "https://user:password@db.internal/x".to_owned(),
        "postgres://postgres:postgres@localhost:5432/app".to_owned(),
        "https://${USER}:${PASSWORD}@db.internal/x".to_owned(),
        "https://user:k7Fq2mWz9@host.example.com/x".to_owned(),
        "-----BEGIN PUBLIC KEY-----".to_owned(),
        "-----BEGIN CERTIFICATE-----".to_owned(),
        "-----BEGIN RSA PRIVATE KEY-----\\n...\\n".to_owned(),
    ] {
        assert_eq!(hits(&line), [""; 0], "{line}");
    }
}

#[test]
fn random_values_under_telling_names_are_found() {
    let (mixed, hex) = (random(MIXED, 32), random(HEX, 40));
    for line in [
        format!("API_KEY={mixed}"),
        format!("api-key: {mixed}"),
        format!("const clientSecret = '{mixed}';"),
        format!("let session_token: &'static str = \"{mixed}\";"),
        format!("  \"password\" : \"{hex}\","),
        format!("{{\"user\":\"a\",\"accessToken\":\"{mixed}\"}}"),
        format!("Authorization: Bearer {mixed}"),
        format!("-H \"Authorization: token {hex}\""),
        format!("secret := `{mixed}`"),
        format!("'api_token' => '{hex}',"),
        format!("AccountKey={}==", random(MIXED, 86)),
        format!("https://api.internal/v1?access_token={mixed}"),
        format!("os.environ[\"DB_PASSWORD\"] = \"{mixed}\""),
    ] {
        assert_eq!(hits(&line), ["assigned-secret"], "{line}");
    }
}

#[test]
fn ordinary_code_and_lock_files_are_left_alone() {
    for line in [
        "checksum = \"9cc3f1e8a4b7d2065c1f8e3ba97d04526e1b8f3ac7d5920e4f6b1a8c3d7e5f90\"",
        "      \"integrity\": \"sha512-kX9mZq2vT7bLw4Jr8sNc1fYpH6uDgE3aRi5oQxVtWzBnMyKjCl0PSdFhGA7e2U4I==\",",
        "golang.org/x/sync v0.7.0 h1:YsImfSBoP9QPYL0xyKJPq0gcaJdG3rInoqxTWbfQu9M=",
        "    self.token = self.tokenizer.next_token_from_stream_2(input, 10)",
        "let secret_path = \"/run/secrets/app/database/password-file-v2\";",
        "const PASSWORD_RESET_TOKEN_LIFETIME_SECONDS_V2 = 3600;",
        "let token = getTokenFromVault2Service3(config);",
        "token_id: 3f2b8c1d-9e4a-4b7c-8d6f-1a2b3c4d5e6f",
        "password_hash = \"8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92\"",
        "public_key_token = \"b77a5c561934e089b03f5f7f11d50a3a\"",
        "commit: 3f2b8c1d9e4a4b7c8d6f1a2b3c4d5e6f7a8b9c0d",
        "import { AuthenticationTokenProviderFactoryBean } from './authentication-token-provider-factory-bean'",
        "uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
        "secretName: {{ include \"chart.fullname\" . }}-credentials",
    ] {
        assert_eq!(hits(line), [""; 0], "{line}");
    }
}

fn diff_of(lines: &[String]) -> String {
    let mut diff = format!("diff --git a/src/a.rs b/src/a.rs\n--- /dev/null\n+++ b/src/a.rs\n@@ -0,0 +1,{} @@\n", lines.len());
    for line in lines {
        diff.push('+');
        diff.push_str(line);
        diff.push('\n');
    }
    diff
}

fn verdict(settings: Value, diff: &str) -> Verdict {
    let settings = settings_of::<SecretScan, _>(settings).unwrap();
    let shown = diff.lines().filter(|line| line.starts_with('+') && !line.starts_with("+++ ")).count();
    let facts = facts(vec![Change { added: shown as u64, ..added("src/a.rs") }]);
    SecretScan::evaluate(&facts, &settings, &TestDocuments::diff(diff)).unwrap()
}

#[test]
fn no_answer_quotes_a_secret() {
    for (rule, secret) in secrets() {
        let Verdict::Fail(report) = verdict(json!({}), &diff_of(&[format!("x = \"{secret}\"")])) else { panic!("{rule} passed") };
        let told = format!("{report:?}");
        let tail = &secret[secret.len() - 8..];
        assert!(!told.contains(tail), "{rule}: {told}");
        assert_eq!(report.findings[0].line, Some(1));
    }
}

#[test]
fn a_secret_deep_in_a_very_long_line_is_found_once() {
    let token = format!("ghp_{}", random(MIXED, 36));
    let filler = "var a = 1; ".repeat(20_000);
    for place in [0, 1_000, 32 * 1024 - 20, 32 * 1024 - 1_024, 100_000] {
        let mut line = filler.clone();
        line.insert_str(place, &format!(" {token} "));
        let Verdict::Fail(report) = verdict(json!({}), &diff_of(&[line])) else { panic!("not found at {place}") };
        assert_eq!(report.findings.len(), 1, "at {place}");
    }
}

#[test]
fn a_flood_of_secrets_keeps_the_answer_small() {
    let lines: Vec<String> = (0..5_000).map(|_| format!("k = \"npm_{}\"", random(MIXED, 36))).collect();
    let Verdict::Fail(report) = verdict(json!({}), &diff_of(&lines)) else { panic!("it passed") };
    assert_eq!(report.findings.len(), NAMED);
}

#[test]
fn rules_and_paths_can_be_switched_off_by_name_only() {
    let diff = diff_of(&[format!("npm_{}", random(MIXED, 36))]);
    assert_eq!(verdict(json!({ "allow_rules": ["npm-token"] }), &diff).word(), "pass");
    assert_eq!(verdict(json!({ "allow_rules": ["github-token"] }), &diff).word(), "fail");
    assert_eq!(verdict(json!({ "allow_paths": ["src/**"] }), &diff).word(), "pass");
    let problems = settings_of::<SecretScan, SecretScanSettings>(json!({ "allow_rules": ["npm"] })).unwrap_err();
    assert!(problems[0].contains("there is no rule `npm`; the rules are private-key, "), "{problems:?}");
}

#[test]
fn a_changed_file_that_the_diff_does_not_show_is_no_pass() {
    let settings = settings_of::<SecretScan, _>(json!({})).unwrap();
    let facts = facts(vec![added("src/a.rs"), added("src/hidden.rs")]);
    let declined = SecretScan::evaluate(&facts, &settings, &TestDocuments::diff(diff_of(&["x".to_owned()]))).unwrap_err();
    assert!(declined.to_string().contains("src/hidden.rs"), "{declined}");
}

/// The host's `--patch` of three changed files, cut at each byte: in a header, in a hunk, between hunks, in the last line.
#[test]
fn wherever_a_diff_was_cut_it_is_no_pass() {
    let settings = settings_of::<SecretScan, _>(json!({})).unwrap();
    let body = "index 1111111..2222222 100644\n--- a/NAME\n+++ b/NAME\n@@ -1 +1,2 @@\n one\n+two\n@@ -9,0 +11 @@\n+ten\n";
    let file = |name: &str| format!("diff --git a/NAME b/NAME\n{body}").replace("NAME", name);
    let whole = ["a.rs", "b.rs", "c.rs"].map(file).concat();
    let facts = facts(["a.rs", "b.rs", "c.rs"].map(|name| Change { added: 2, ..modified(name) }).into());
    let answer = |diff: &str| SecretScan::evaluate(&facts, &settings, &TestDocuments::diff(diff));
    assert_eq!(answer(&whole).unwrap().word(), "pass");
    for end in 0..whole.len() {
        assert!(answer(&whole[..end]).is_err(), "cut to {end} bytes");
    }
}

#[test]
fn binary_files_are_never_left_unsaid() {
    use Severity::{Low, Medium};
    let binary = |name: &str, kind| Change { kind, added: 0, removed: 0, binary: true, ..added(name) };
    let stock = json!({});
    let table = [
        ("a NUL in a text file", &stock, binary("src/app.env", ChangeKind::Added), Some(Medium)),
        ("a text file that became binary", &stock, binary("src/app.env", ChangeKind::Modified), Some(Medium)),
        ("without an extension", &stock, binary("bin/server", ChangeKind::Added), Some(Medium)),
        ("like a picture, but none", &stock, binary("logo.png.txt", ChangeKind::Added), Some(Medium)),
        ("a picture", &stock, binary("logo.png", ChangeKind::Modified), Some(Low)),
        ("what Python leaves", &stock, binary("__pycache__/app.cpython-313.pyc", ChangeKind::Added), Some(Low)),
        ("what Python leaves, deeper", &stock, binary("src/app/__pycache__/app.cpython-313.pyc", ChangeKind::Added), Some(Low)),
        ("gone", &stock, binary("src/app.env", ChangeKind::Deleted), None),
        ("no list", &json!({ "binary_paths": [] }), binary("logo.png", ChangeKind::Added), Some(Medium)),
        ("a list of one's own", &json!({ "binary_paths": ["bin/*"] }), binary("bin/server", ChangeKind::Added), Some(Low)),
        ("allowed", &json!({ "binary_files": "allow" }), binary("src/app.env", ChangeKind::Added), Some(Low)),
        ("silenced", &json!({ "allow_paths": ["src/**"] }), binary("src/app.env", ChangeKind::Added), None),
    ];
    for (name, settings, change, expected) in table {
        let settings = settings_of::<SecretScan, _>(settings.clone()).unwrap();
        let verdict = SecretScan::evaluate(&facts(vec![change]), &settings, &TestDocuments::diff("")).unwrap();
        let (Verdict::Pass(report) | Verdict::Fail(report)) = &verdict else { panic!("{name}: {verdict:?}") };
        assert_eq!(report.findings.first().map(|finding| finding.severity), expected, "{name}");
        assert_eq!(verdict.word(), if expected == Some(Medium) { "fail" } else { "pass" }, "{name}");
    }
}

#[test]
fn a_flood_of_binary_files_keeps_the_answer_small() {
    let settings = settings_of::<SecretScan, _>(json!({})).unwrap();
    let names = (0..5_000).flat_map(|number| [format!("{number}.png"), format!("{number}.bin")]);
    let changes = names.map(|name| Change { added: 0, binary: true, ..added(&name) }).collect();
    let Verdict::Fail(report) = SecretScan::evaluate(&facts(changes), &settings, &TestDocuments::diff("")).unwrap() else { panic!() };
    assert_eq!(report.findings.len(), 2 * NAMED);
    assert!(report.annotations.iter().any(|note| note.name == "binary_files" && note.value == "10000"));
}
