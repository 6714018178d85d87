//! TLS on both sides (P-11 to P-14).

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::house::tls::Authority;
use crate::house::{Act, Client, Gatepost, Postfix, Script, Setup, Upstream, holds, mail};

const NAME: &str = "mx.example.org";

/// An authority, a client that trusts it, and a folder with a certificate for our name.
struct Secured {
    authority: Authority,
    client: Arc<ClientConfig>,
    folder: tempfile::TempDir,
}

impl Secured {
    fn new() -> Secured {
        let authority = Authority::new();
        let folder = tempfile::tempdir().expect("a folder");
        authority.issue(NAME).write(folder.path());
        Secured {
            client: authority.client(),
            authority,
            folder,
        }
    }

    fn path(&self, name: &str) -> String {
        format!("'{}'", self.folder.path().join(name).display())
    }

    fn setup(&self, upstream: std::net::SocketAddr) -> Setup {
        Setup::before(upstream)
            .set("tls.certificate", self.path("certificate.pem"))
            .set("tls.key", self.path("key.pem"))
            .at("mx", "tls", "'starttls'")
            .listener("implicit", "inbound", &[("tls", "'implicit'")])
    }
}

#[test]
fn postfix_gets_mail_under_tls_that_came_under_tls() {
    let secured = Secured::new();
    let folder = secured.folder.path();
    let server = folder.join("server");
    fs::create_dir(&server).expect("a folder");
    let (certificate, key) = secured.authority.issue("backend.example.org").write(&server);
    let postfix = Postfix::start(&format!(
        "smtpd_tls_security_level = encrypt\nsmtpd_tls_loglevel = 1\nsmtpd_tls_received_header = yes\n\
         smtpd_tls_cert_file = {}\nsmtpd_tls_key_file = {}",
        certificate.display(),
        key.display()
    ));
    let authority = secured.authority.write(folder);
    let setup = secured
        .setup(postfix.address)
        .set("route.default.tls", "'verified'")
        .set("route.default.ca_file", format!("'{}'", authority.display()))
        .set("route.default.server_name", "'backend.example.org'");
    let gatepost = Gatepost::start(&setup);
    let mut client = gatepost.client();
    client.starttls(Arc::clone(&secured.client), NAME);
    client.ask("EHLO client.there.example").is(250);
    client
        .mail("ann@there.example", &["bob@example.org"], &mail("starttls"))
        .is(250);
    client.quit();
    let mut client = Client::within_tls(gatepost.address("implicit"), Arc::clone(&secured.client), NAME);
    client.ask("EHLO client.there.example").is(250);
    client
        .mail("ann@there.example", &["bob@example.org"], &mail("implicit"))
        .is(250);
    client.quit();
    let delivered = postfix.settled();
    assert_eq!(delivered.len(), 2);
    for mail in delivered {
        let text = String::from_utf8_lossy(&mail.file)
            .replace("\n\t", " ")
            .replace("\n ", " ");
        let received: Vec<_> = text.lines().filter(|line| line.starts_with("Received: ")).collect();
        assert_eq!(received.len(), 2, "{received:?}");
        assert!(received.iter().all(|line| line.contains("with ESMTPS")), "{received:?}");
        assert!(received[1].contains("TLSv1."), "{}", received[1]);
    }
    postfix.logs(&["TLS connection established from"]);
    gatepost.record("tls", |record| {
        record["tls"].as_str().is_some_and(|tls| tls.contains("TLSv1."))
    });
}

#[test]
fn a_server_with_another_name_in_its_certificate_gets_nothing() {
    let secured = Secured::new();
    let upstream = Upstream::start(Script::new().secured(secured.authority.issue("other.example.org").server()));
    let authority = secured.authority.write(secured.folder.path());
    let setup = Setup::before(upstream.address)
        .set("route.default.ca_file", format!("'{}'", authority.display()))
        .set("route.default.server_name", "'backend.example.org'");
    for (mode, code) in [("'verified'", 451), ("'required'", 250), ("'opportunistic'", 250)] {
        let setup = setup.clone().set("route.default.tls", mode);
        let setup = if mode == "'verified'" {
            setup
        } else {
            setup
                .without("route.default.ca_file")
                .without("route.default.server_name")
        };
        let gatepost = Gatepost::start(&setup);
        let before = upstream.sessions().len();
        let mut client = gatepost.client();
        client.ask("MAIL FROM:<ann@there.example>").is(250);
        client.ask("RCPT TO:<bob@example.org>").is(code);
        client.vanish();
        for session in upstream.quiet().split_off(before) {
            let clear = session
                .commands
                .iter()
                .position(|command| command == "STARTTLS")
                .expect("STARTTLS");
            assert!(
                session.commands[..clear]
                    .iter()
                    .all(|command| !command.starts_with("MAIL")),
                "{session:?}"
            );
            assert!(code == 250 || session.commands.len() == clear + 1, "{session:?}");
        }
    }
}

#[test]
fn where_tls_is_required_nothing_goes_in_the_clear() {
    let upstream = Upstream::start(Script::new());
    let setup = Setup::before(upstream.address);
    // Not offered; offered and refused; offered, and then the handshake fails.
    let offers = [
        Script::new(),
        Script::new()
            .and("STARTTLS")
            .on("STARTTLS", crate::house::say("454 4.7.0 Not now")),
        Script::new()
            .and("STARTTLS")
            .on("STARTTLS", Act::Last(b"220 go\r\nno handshake\r\n".to_vec())),
    ];
    for mode in ["'required'", "'verified'"] {
        let gatepost = Gatepost::start(
            &setup
                .clone()
                .set("route.default.tls", mode)
                .set("route.default.server_name", "'backend.example.org'"),
        );
        for script in &offers {
            upstream.now(script.clone());
            let mut client = gatepost.client();
            client.ask("MAIL FROM:<ann@there.example>").is(250);
            client.ask("RCPT TO:<bob@example.org>").is(451);
            client.quit();
        }
    }
    assert!(upstream.quiet().iter().all(|session| !session.has("MAIL")));
}

#[test]
fn octets_behind_the_servers_220_are_never_believed() {
    let secured = Secured::new();
    let tls = secured.authority.issue("backend.example.org").server();
    let injected = Act::Say(b"220 go\r\n250-upstream.example\r\n250 AUTH PLAIN\r\n".to_vec());
    let upstream = Upstream::start(Script::new().secured(tls).on("STARTTLS", injected));
    let gatepost = Gatepost::start(&Setup::before(upstream.address).set("route.default.tls", "'opportunistic'"));
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    let granted = client.ask("RCPT TO:<bob@example.org>").code;
    assert!(matches!(granted, 250 | 451), "{granted}");
    client.vanish();
    for session in upstream.quiet() {
        // If they were dropped, the offer was asked for again, under TLS.
        let behind = session
            .commands
            .iter()
            .skip_while(|command| *command != "STARTTLS")
            .nth(1);
        assert!(behind.is_none_or(|command| command.starts_with("EHLO")), "{session:?}");
    }
}

#[test]
fn commands_behind_starttls_are_never_obeyed() {
    let secured = Secured::new();
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&secured.setup(upstream.address));
    let mut client = gatepost.client();
    client.send("STARTTLS\r\nRSET\r\nMAIL FROM:<evil@there.example>\r\nRCPT TO:<bob@example.org>\r\n");
    let replies = client.until_the_end();
    assert!(
        matches!(
            replies.iter().map(|reply| reply.code).collect::<Vec<_>>()[..],
            [] | [220] | [503 | 554]
        ),
        "{replies:?}"
    );
    // After 220, but before the handshake.
    let mut client = gatepost.client();
    client.ask("STARTTLS").is(220);
    client.send("RSET\r\nMAIL FROM:<evil@there.example>\r\n");
    client.discard();
    assert!(upstream.quiet().iter().all(|session| !session.is_about_mail()));
}

#[test]
fn starttls_forgets_what_was_said_before() {
    let secured = Secured::new();
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&secured.setup(upstream.address));
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    client.ask("STARTTLS").is(503);
    client.ask("RSET").is(250);
    client.starttls(Arc::clone(&secured.client), NAME);
    client.ask("MAIL FROM:<ann@there.example>").is(503);
    let offer = client.ask("EHLO client.there.example").is(250);
    assert!(!offer.lines.iter().any(|line| line == "STARTTLS"), "{offer}");
    let code = client.ask("STARTTLS").code;
    assert!(matches!(code, 502 | 503), "{code}");
    client
        .mail("ann@there.example", &["bob@example.org"], &mail("fresh"))
        .is(250);
    client.quit();
}

#[test]
fn an_end_of_tls_within_a_message_ends_everything() {
    let secured = Secured::new();
    let upstream = Upstream::start(Script::new());
    let mut gatepost = Gatepost::start(&secured.setup(upstream.address));
    for listener in ["mx", "implicit"] {
        let mut client = if listener == "mx" {
            let mut client = gatepost.client();
            client.starttls(Arc::clone(&secured.client), NAME);
            client
        } else {
            Client::within_tls(gatepost.address(listener), Arc::clone(&secured.client), NAME)
        };
        client.ask("EHLO client.there.example").is(250);
        client.envelope("ann@there.example", &["bob@example.org"]);
        client.data();
        client.send("Subject: cut\r\n\r\nhalf\r\n");
        client.finish();
        // In the clear now, as if it were still the message.
        client.send_beneath(b"\r\n.\r\nQUIT\r\n");
        assert!(client.until_the_end().iter().all(|reply| reply.code >= 400));
    }
    for session in upstream.quiet() {
        assert!(!session.has("DATA"), "{session:?}");
    }
    gatepost.is_alive();
}

#[test]
fn a_handshake_may_come_right_behind_a_proxy_header() {
    let secured = Secured::new();
    let upstream = Upstream::start(Script::new());
    let setup = secured
        .setup(upstream.address)
        .at("implicit", "proxy_protocol_from", "['127.0.0.1']");
    let gatepost = Gatepost::start(&setup);
    let mut client = Client::connect(gatepost.address("implicit"));
    let header = b"PROXY TCP4 203.0.113.5 192.0.2.1 40000 25\r\n";
    client
        .secure_behind(header, Arc::clone(&secured.client), NAME)
        .expect("a TLS handshake");
    client.reply().is(220);
    client.ask("EHLO client.there.example").is(250);
    client
        .mail("ann@there.example", &["bob@example.org"], &mail("balanced"))
        .is(250);
    client.quit();
    let received = upstream.taken()[0].field("Received").expect("a Received field");
    assert!(
        received.contains("[203.0.113.5]") && received.contains("ESMTPS"),
        "{received}"
    );
}

#[test]
fn what_is_no_handshake_harms_nobody() {
    let secured = Secured::new();
    let upstream = Upstream::start(Script::new());
    let mut gatepost = Gatepost::start(&secured.setup(upstream.address));
    let garbage: Vec<Vec<u8>> = vec![
        b"EHLO client.there.example\r\n".to_vec(),
        vec![0; 70_000],
        vec![0xff; 70_000],
        [&[0x16, 3, 1, 0xff, 0xff][..], &[1; 70_000]].concat(),
        [&[0x16, 3, 1, 0, 5, 1, 0, 0, 1][..], b"x"].concat(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ];
    for octets in &garbage {
        let mut client = Client::connect(gatepost.address("implicit"));
        client.try_send(octets);
        client.finish_quietly();
        client.discard();
        let mut client = gatepost.client();
        client.ask("STARTTLS").is(220);
        client.try_send(octets);
        client.finish_quietly();
        client.discard();
    }
    gatepost.is_alive();
    let mut client = Client::within_tls(gatepost.address("implicit"), Arc::clone(&secured.client), NAME);
    client.ask("EHLO client.there.example").is(250);
    client
        .mail("ann@there.example", &["bob@example.org"], &mail("after"))
        .is(250);
    client.quit();
}

#[test]
fn a_new_certificate_is_shown_after_a_reload_and_old_sessions_live() {
    let secured = Secured::new();
    let upstream = Upstream::start(Script::new());
    let setup = secured.setup(upstream.address);
    let mut gatepost = Gatepost::start(&setup);
    let connect = |gatepost: &Gatepost| {
        let mut client = Client::within_tls(gatepost.address("implicit"), secured.authority.client(), NAME);
        client.ask("EHLO client.there.example").is(250);
        client
    };
    let mut old = connect(&gatepost);
    let renewed = secured.authority.issue(NAME);
    assert_ne!(old.certificate().expect("a certificate"), renewed.der());
    renewed.write(secured.folder.path());
    assert!(gatepost.reload(&setup));
    let mut new = connect(&gatepost);
    assert_eq!(new.certificate().expect("a certificate"), renewed.der());
    // A file that is no certificate: the one before stays.
    fs::write(secured.folder.path().join("certificate.pem"), "no certificate\n").expect("a file");
    assert!(!gatepost.reload(&setup));
    let mut still = connect(&gatepost);
    assert_eq!(still.certificate().expect("a certificate"), renewed.der());
    for (client, subject) in [(&mut old, "old"), (&mut new, "new"), (&mut still, "still")] {
        client
            .mail("ann@there.example", &["bob@example.org"], &mail(subject))
            .is(250);
    }
    assert_eq!(upstream.taken().len(), 3);
}

#[test]
fn a_ticket_of_one_listener_is_nothing_to_another() {
    let secured = Secured::new();
    let upstream = Upstream::start(Script::new());
    let setup = secured
        .setup(upstream.address)
        .listener("second", "inbound", &[("tls", "'implicit'")]);
    let gatepost = Gatepost::start(&setup);
    let resumed = |listener: &str| {
        let mut client = Client::within_tls(gatepost.address(listener), Arc::clone(&secured.client), NAME);
        // Tickets come behind the handshake.
        client.ask("EHLO client.there.example").is(250);
        let resumed = client.resumed();
        client.quit();
        resumed
    };
    assert!(!resumed("implicit"));
    assert!(resumed("implicit"), "the control failed: tickets are not taken at all");
    assert!(!resumed("second"));
}

#[test]
fn a_listener_that_wants_tls_takes_no_mail_without() {
    let secured = Secured::new();
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&secured.setup(upstream.address).at("mx", "require_tls", "true"));
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<ann@there.example>").begins("530 5.7.0");
    client.starttls(Arc::clone(&secured.client), NAME);
    client.ask("EHLO client.there.example").is(250);
    client
        .mail("ann@there.example", &["bob@example.org"], &mail("tls"))
        .is(250);
    client.quit();
}

#[test]
fn no_octet_of_a_mail_goes_to_the_server_in_the_clear_where_it_speaks_tls() {
    let secured = Secured::new();
    let upstream = Upstream::start(Script::new().secured(secured.authority.issue("backend.example.org").server()));
    let gatepost = Gatepost::start(&Setup::before(upstream.address).set("route.default.tls", "'opportunistic'"));
    let mut client = gatepost.client();
    client
        .mail("ann@there.example", &["bob@example.org"], &mail("secret"))
        .is(250);
    client.quit();
    let taken = upstream.taken();
    assert!(taken.len() == 1 && taken[0].secure);
    let visit = upstream.visits().remove(0);
    let clear = visit
        .heard
        .split(|byte| *byte == b'\n')
        .take_while(|line| !line.starts_with(b"STARTTLS"));
    assert!(clear.into_iter().all(|line| !holds(line, b"MAIL")), "{visit:?}");
    let _: &Path = secured.folder.path();
}
