//! Our own name and password at a mail server.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::house::tls::Authority;
use crate::house::{Act, Gatepost, Script, Setup, Upstream, eventually, mail, say};

const NAME: &str = "upstream.example";
/// `\0gate\0correct horse`.
const PLAIN: &str = "AGdhdGUAY29ycmVjdCBob3JzZQ==";
/// `gate` and `correct horse`, as AUTH LOGIN says them.
const LOGIN: [&str; 2] = ["Z2F0ZQ==", "Y29ycmVjdCBob3JzZQ=="];

struct Stage {
    upstream: Upstream,
    setup: Setup,
    folder: tempfile::TempDir,
}

fn stage(script: impl Fn(Script) -> Script) -> Stage {
    let authority = Authority::new();
    let folder = tempfile::tempdir().expect("a folder");
    let tls = authority.issue(NAME).server();
    let upstream = Upstream::start(script(Script::new().secured(tls)));
    let password = folder.path().join("password");
    fs::write(&password, "correct horse\n").expect("a file");
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).expect("a mode");
    let ca = authority.write(folder.path());
    let setup = Setup::before(upstream.address)
        .set("route.default.tls", "'verified'")
        .set("route.default.ca_file", format!("'{}'", ca.display()))
        .set("route.default.server_name", format!("'{NAME}'"))
        .set("route.default.login.user", "'gate'")
        .set("route.default.login.password_file", format!("'{}'", password.display()));
    Stage {
        upstream,
        setup,
        folder,
    }
}

#[track_caller]
fn keeps_secrets(gatepost: &Gatepost) {
    for secret in [PLAIN, LOGIN[1], "correct horse"] {
        assert!(!gatepost.log().contains(secret), "a password in the log");
    }
}

#[track_caller]
fn one_mail(gatepost: &Gatepost, subject: &str) {
    let mut client = gatepost.client();
    client
        .mail("ann@there.example", &["bob@example.org"], &mail(subject))
        .is(250);
    client.quit();
}

#[test]
fn we_log_in_under_tls_once_a_connection_and_tell_nobody() {
    let plain = |script: Script| {
        script
            .and("AUTH PLAIN LOGIN")
            .on(&format!("AUTH PLAIN {PLAIN}"), say("235 2.7.0 Welcome"))
    };
    let login = |script: Script| {
        script
            .and("AUTH LOGIN")
            .on("AUTH LOGIN", say("334 VXNlcm5hbWU6"))
            .on(LOGIN[0], say("334 UGFzc3dvcmQ6"))
            .on(LOGIN[1], say("235 2.7.0 Welcome"))
    };
    for script in [&plain as &dyn Fn(Script) -> Script, &login] {
        let stage = stage(script);
        // The login is ours, so one connection serves one client after another.
        let gatepost = Gatepost::start(&stage.setup.clone().set("route.default.keep.idle", "'10s'"));
        one_mail(&gatepost, "first");
        one_mail(&gatepost, "second");
        assert_eq!(stage.upstream.taken().len(), 2);
        let visits = stage.upstream.visits();
        assert_eq!(visits.len(), 1, "{visits:?}");
        let place = |word: &str| visits[0].commands.iter().position(|command| command.starts_with(word));
        assert!(
            place("STARTTLS") < place("AUTH") && place("AUTH") < place("MAIL"),
            "{visits:?}"
        );
        assert_eq!(
            visits[0]
                .commands
                .iter()
                .filter(|command| command.starts_with("AUTH"))
                .count(),
            1
        );
        keeps_secrets(&gatepost);
    }
}

#[test]
fn a_password_that_is_refused_is_not_said_again_and_again_and_a_new_one_is_read_at_reload() {
    let stage = stage(|script| {
        script
            .and("AUTH PLAIN")
            .on("AUTH PLAIN AGdhdGUAYmV0dGVy", say("235 2.7.0 Welcome"))
            .on("AUTH", say("535 5.7.8 Wrong"))
    });
    let mut gatepost = Gatepost::start(&stage.setup);
    for _ in 0..5 {
        let mut client = gatepost.client();
        client.ask("MAIL FROM:<ann@there.example>").is(250);
        let reply = client.ask("RCPT TO:<bob@example.org>");
        assert!(reply.code / 10 == 45, "{reply}");
        client.quit();
    }
    let tried = |upstream: &Upstream| upstream.sessions().iter().filter(|session| session.has("AUTH")).count();
    assert_eq!(tried(&stage.upstream), 1);
    gatepost.logs(&["does not take our login", "535 5.7.8 Wrong"]);
    fs::write(stage.folder.path().join("password"), "better\n").expect("a file");
    assert!(gatepost.reload(&stage.setup));
    one_mail(&gatepost, "better");
    keeps_secrets(&gatepost);
}

#[test]
fn a_server_that_hides_tls_or_auth_hears_no_password() {
    let stage = stage(|script| script);
    let gatepost = Gatepost::start(&stage.setup);
    for script in [
        Script::new().and("AUTH PLAIN LOGIN"),
        Script::new().on("STARTTLS", Act::Close),
    ] {
        stage.upstream.now(script);
        let mut client = gatepost.client();
        client.ask("MAIL FROM:<ann@there.example>").is(250);
        let reply = client.ask("RCPT TO:<bob@example.org>");
        assert!(reply.code / 10 == 45, "{reply}");
        client.quit();
    }
    eventually("the end of all connections", || {
        stage
            .upstream
            .sessions()
            .iter()
            .all(|session| session.ended)
            .then_some(())
    });
    assert!(stage.upstream.sessions().iter().all(|session| !session.has("AUTH")));
}
