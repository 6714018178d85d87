//! AUTH is the mail server's affair: we carry it, under TLS only, and keep nothing of it (P-15).

use crate::house::tls::Authority;
use crate::house::{Act, Client, Gatepost, Postfix, Script, Setup, Upstream, mail, passwords, say};

/// `\0bob@example.org\0correct horse`, as AUTH PLAIN says it.
const RIGHT: &str = "AGJvYkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl";
/// The same with another password: `battery staple`.
const WRONG: &str = "AGJvYkBleGFtcGxlLm9yZwBiYXR0ZXJ5IHN0YXBsZQ==";
/// What must be in no log: the passwords, in the clear and in the base64 of AUTH PLAIN and LOGIN.
const SECRETS: [&str; 6] = [
    "correct horse",
    "battery staple",
    RIGHT,
    "AGJvYkBleGFtcGxlLm9yZwBi",
    "Y29ycmVjdCBob3JzZQ",
    "YmF0dGVyeSBzdGFwbGU",
];
const NAME: &str = "mx.example.org";

struct Stage {
    authority: Authority,
    _folder: tempfile::TempDir,
    setup: Setup,
}

fn stage(server: std::net::SocketAddr) -> Stage {
    let authority = Authority::new();
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = authority.issue(NAME).write(folder.path());
    let setup = Setup::before(server)
        .set("tls.certificate", format!("'{}'", certificate.display()))
        .set("tls.key", format!("'{}'", key.display()))
        .listener("submission", "outbound", &[("tls", "'starttls'"), ("auth", "true")]);
    Stage {
        authority,
        _folder: folder,
        setup,
    }
}

impl Stage {
    fn secure(&self, gatepost: &Gatepost) -> Client {
        let mut client = Client::introduced(gatepost.address("submission"));
        client.starttls(self.authority.client(), NAME);
        client.ask("EHLO laptop.example.org").is(250);
        client
    }
}

#[track_caller]
fn keeps_secrets(what: &str, log: &str) {
    for secret in SECRETS {
        assert!(!log.contains(secret), "a password in {what}");
    }
    assert!(!log.is_empty());
}

#[test]
fn postfix_checks_the_password_and_nobody_remembers_it() {
    let checker = passwords::serve(RIGHT, "bob@example.org");
    let postfix = Postfix::start(&format!(
        "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = inet:{checker}\nsmtpd_tls_auth_only = no"
    ));
    let stage = stage(postfix.address);
    let mut gatepost = Gatepost::start(&stage.setup);
    let mut client = stage.secure(&gatepost);
    client.ask("MAIL FROM:<bob@example.org>").begins("530 5.7.0");
    client.ask(&format!("AUTH PLAIN {WRONG}")).begins("535 5.7.8");
    client.ask("MAIL FROM:<bob@example.org>").begins("530 5.7.0");
    client.ask("AUTH PLAIN").is(334);
    client.ask(RIGHT).begins("235 2.7.0");
    client.ask(&format!("AUTH PLAIN {RIGHT}")).is(503);
    client
        .mail("bob@example.org", &["alice@example.org"], &mail("auth"))
        .is(250);
    client.quit();
    let delivered = postfix.settled();
    assert_eq!(delivered.len(), 1);
    let text = String::from_utf8_lossy(&delivered[0].file).replace("\n\t", " ");
    assert!(text.contains("with ESMTPSA"), "{text}");
    postfix.logs(&["sasl_method=PLAIN", "sasl_username=bob@example.org"]);
    let record = gatepost.record("login", |record| record["end"] == "answered");
    assert!(record["login"].to_string().contains("bob@example.org"), "{record}");
    gatepost.stop();
    keeps_secrets("Gatepost's log", &gatepost.log());
    keeps_secrets("Postfix's log", &postfix.log());
}

#[test]
fn there_is_no_auth_before_tls_and_none_inbound() {
    let upstream = Upstream::start(Script::new().and("AUTH PLAIN LOGIN"));
    let stage = stage(upstream.address);
    let gatepost = Gatepost::start(&stage.setup.clone().at("mx", "tls", "'starttls'"));
    let mut client = Client::introduced(gatepost.address("submission"));
    let reply = client.ask(&format!("AUTH PLAIN {RIGHT}"));
    assert!(
        reply.text().starts_with("538 5.7.11") || reply.text().starts_with("530 5.7.0"),
        "{reply}"
    );
    client.ask("MAIL FROM:<bob@example.org>").begins("530 5.7.0");
    client.quit();
    let mut client = gatepost.client();
    client.starttls(stage.authority.client(), NAME);
    let offer = client.ask("EHLO client.there.example");
    assert!(!offer.lines.iter().any(|line| line.starts_with("AUTH")), "{offer}");
    let code = client.ask(&format!("AUTH PLAIN {RIGHT}")).code;
    assert!((500..600).contains(&code), "{code}");
    client.quit();
    assert!(upstream.quiet().iter().all(|session| !session.has("AUTH")));
    keeps_secrets("the log", &gatepost.log());
}

#[test]
fn the_servers_word_is_the_clients_and_nothing_but_235_opens() {
    let upstream = Upstream::start(Script::new());
    let stage = stage(upstream.address);
    let offering = || Script::new().and("AUTH PLAIN LOGIN");
    upstream.now(offering());
    let gatepost = Gatepost::start(&stage.setup);
    for (server, hears) in [
        ("535 5.7.8 Wrong", "535 5.7.8"),
        ("454 4.7.0 Later", "454 4.7.0"),
        ("250 2.0.0 Ok", ""),
        ("abc", ""),
        ("235 2.7.0 Welcome", "235 2.7.0"),
    ] {
        upstream.now(offering().on("AUTH", say(server)));
        let mut client = stage.secure(&gatepost);
        let reply = client.ask(&format!("AUTH PLAIN {RIGHT}"));
        assert!(reply.text().starts_with(hears), "{server}: {reply}");
        let opened = client.ask("MAIL FROM:<bob@example.org>").code == 250;
        assert_eq!(opened, server.starts_with("235"), "{server}: {reply}");
        client.vanish();
    }
    keeps_secrets("the log", &gatepost.log());
}

#[test]
fn an_exchange_of_several_lines_is_carried_and_may_be_cancelled() {
    let script = Script::new()
        .and("AUTH PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS EXTERNAL GSSAPI NTLM")
        .on("AUTH LOGIN", say("334 VXNlcm5hbWU6"))
        .on("Ym9iQGV4YW1wbGUub3Jn", say("334 UGFzc3dvcmQ6"))
        .on("Y29ycmVjdCBob3JzZQ==", say("235 2.7.0 Welcome"))
        .on("*", say("501 5.7.0 Cancelled"));
    let upstream = Upstream::start(script);
    let stage = stage(upstream.address);
    let gatepost = Gatepost::start(&stage.setup);
    let mut client = stage.secure(&gatepost);
    let offer = client.ask("EHLO laptop.example.org");
    assert!(
        offer.lines.iter().any(|line| line == "AUTH PLAIN LOGIN SCRAM-SHA-256"),
        "{offer}"
    );
    for mechanism in ["NTLM", "EXTERNAL", "SCRAM-SHA-256-PLUS", "GSSAPI"] {
        client.ask(&format!("AUTH {mechanism} =")).is(504);
    }
    client.ask("AUTH LOGIN").is(334);
    client.ask("*").is(501);
    client.ask("MAIL FROM:<bob@example.org>").is(530);
    client.ask("AUTH LOGIN").begins("334 VXNlcm5hbWU6");
    client.ask("Ym9iQGV4YW1wbGUub3Jn").begins("334 UGFzc3dvcmQ6");
    client.ask("Y29ycmVjdCBob3JzZQ==").is(235);
    client
        .mail("bob@example.org", &["eve@there.example"], &mail("login"))
        .is(250);
    client.quit();
    assert_eq!(upstream.taken().len(), 1);
    assert_eq!(
        upstream.visits().len(),
        1,
        "the login holds for the connection on which it was made"
    );
    keeps_secrets("the log", &gatepost.log());
}

#[test]
fn who_guesses_is_thrown_out() {
    let upstream = Upstream::start(Script::new().and("AUTH PLAIN").on("AUTH", say("535 5.7.8 Wrong")));
    let stage = stage(upstream.address);
    let gatepost = Gatepost::start(&stage.setup.clone().set("limits.auth_failures", "3"));
    let mut client = stage.secure(&gatepost);
    let mut replies = Vec::new();
    for _ in 0..10 {
        if !client.try_send(format!("AUTH PLAIN {WRONG}\r\n")) {
            break;
        }
        match client.try_reply() {
            Some(reply) => replies.push(reply.code),
            None => break,
        }
    }
    assert_eq!(replies, [535, 535, 535, 421]);
    keeps_secrets("the log", &gatepost.log());
}

#[test]
fn who_guesses_in_one_session_after_another_is_not_let_in_again() {
    let upstream = Upstream::start(Script::new().and("AUTH PLAIN").on("AUTH", say("535 5.7.8 No")));
    let stage = stage(upstream.address);
    let setup = stage.setup.clone().set("limits.auth_failures_per_hour", "3");
    let gatepost = Gatepost::start(&setup);
    let codes: Vec<u16> = (0..3)
        .map(|_| stage.secure(&gatepost).ask(&format!("AUTH PLAIN {WRONG}")).code)
        .collect();
    assert_eq!(codes, [535, 535, 421]);
    Client::connect(gatepost.address("submission")).reply().is(421);
    assert_eq!(gatepost.metric("gatepost_auth_alarms_total"), 1.0);
    let log = gatepost.logs(&["many failed logins", "bob@example.org"]);
    keeps_secrets("the log", &log);
}

#[test]
fn a_login_does_not_survive_its_connection_to_the_server() {
    let script = Script::new().and("AUTH PLAIN").on("AUTH", say("235 2.7.0 Welcome"));
    let upstream = Upstream::start(script.clone().on("MAIL", Act::Close));
    let stage = stage(upstream.address);
    let gatepost = Gatepost::start(&stage.setup);
    // The next connection knows nobody: some servers refuse then, and some trust the proxy's address.
    for server in ["530 5.7.0 Authenticate first", "250 2.1.0 Sender ok"] {
        upstream.now(script.clone().on("MAIL", Act::Close));
        let mut client = stage.secure(&gatepost);
        client.ask(&format!("AUTH PLAIN {RIGHT}")).is(235);
        upstream.now(Script::new().and("AUTH PLAIN").on("MAIL", say(server)));
        client.ask("MAIL FROM:<bob@example.org>").is(250);
        client.ask("RCPT TO:<eve@there.example>").is(451);
        client.ask("RSET").is(250);
        client.ask("MAIL FROM:<bob@example.org>");
        let reply = client.ask("RCPT TO:<eve@there.example>");
        assert!(
            (400..500).contains(&reply.code) || reply.code == 503,
            "no login is left, and that is no fault of the client: {reply}"
        );
        client.vanish();
    }
}
