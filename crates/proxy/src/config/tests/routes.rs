//! What is said of routes.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// The good file with other lines in `[route.default]`.
fn route(lines: &str) -> String {
    let (head, _) = GOOD.split_once("upstream =").expect("a route");
    format!("{head}{lines}\n")
}

/// Whether one of the mistakes holds all of these words.
#[track_caller]
fn told(text: &str, words: &[&str]) {
    let mistakes = mistakes(text);
    assert!(
        mistakes
            .iter()
            .any(|mistake| words.iter().all(|word| mistake.contains(word))),
        "expected {words:?} in {mistakes:#?}"
    );
}

fn warned(text: &str) -> Vec<String> {
    let loaded = read(text, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    loaded.warnings.iter().map(Mistake::to_string).collect()
}

#[test]
fn a_route_has_one_host_or_several() {
    let several = route("upstream = [\"a.example:25\", { to = \"b.example:2525\", priority = 20, weight = 3 }]");
    let config = read(&several, &[]).expect("no mistake").config;
    let upstream = &config.route["default"].upstream;
    assert_eq!(
        upstream.servers().collect::<Vec<_>>(),
        [("a.example", 25), ("b.example", 2525)]
    );
    assert_eq!((upstream[1].priority, upstream[1].weight), (20, 3));
    let variables = [(
        "GATEPOST_ROUTE__DEFAULT__UPSTREAM",
        "[\"a.example:25\", \"b.example:25\"]",
    )];
    let config = read(GOOD, &variables).expect("no mistake").config;
    assert_eq!(config.route["default"].upstream.len(), 2);
}

#[test]
fn each_host_is_told_what_is_wrong_with_it() {
    told(
        &route("upstream = []"),
        &["gatepost.toml:7", "route.default.upstream", "at least 1"],
    );
    told(
        &route("upstream = [\"a\"]"),
        &["route.default.upstream", "host:port", "the port is missing"],
    );
    told(
        &route("upstream = [\"a.example:25\", { to = \"b.example:25\", wieght = 3 }]"),
        &["unknown key", "`weight`"],
    );
    told(
        &route("upstream = [{ to = \"b.example:25\", weight = 0 }]"),
        &["weight", "from 1 to 1000"],
    );
    told(&route("upstream = [{ priority = 1 }]"), &["`to` is missing"]);
    told(&route("upstream = 25"), &["route.default.upstream", "a list in [ ]"]);
    told(
        &route("upstream = [\"a.example:25\", \"a.example:25\"]"),
        &["route.default.upstream[1]", "twice"],
    );
    told(
        &route("upstream = [\"a.example:25\", \"[::1]:25\"]\naddress_family = \"ipv4\""),
        &["route.default.upstream[1]", "address_family"],
    );
}

#[test]
fn no_host_of_a_list_is_ourselves() {
    let text = route("upstream = [\"a.example:25\", { to = \"127.0.0.1:25\", priority = 99 }]");
    told(
        &text,
        &["route.default.upstream[1]", "our own listener `mx`", "circles"],
    );
}

#[test]
fn a_maildir_stands_alone_and_knows_two_places() {
    told(
        &route("upstream = [\"maildir:/tmp/a\", \"a.example:25\"]"),
        &["route.default.upstream", "stands alone"],
    );
    told(
        &route("upstream = \"maildir:/tmp/{login}\""),
        &["`{login}`", "`{domain}`"],
    );
    told(&route("upstream = \"maildir:/tmp/{user\""), &["without its `}`"]);
    let text = route("upstream = \"maildir:/tmp/{domain}/{user}\"");
    let without = warned(&text);
    assert!(
        without.iter().any(|warning| warning.contains("example.org")),
        "{without:?}"
    );
    let listed = format!("{text}[domain.\"example.org\"]\nrecipients = [\"ann\"]\n");
    assert_eq!(warned(&listed), [] as [&str; 0]);
}

#[test]
fn a_login_is_read_from_files_and_said_under_tls_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    fs::write(&file, "a secret word\n").expect("a file");
    let login = |more: &str| {
        route(&format!(
            "upstream = \"192.0.2.1:25\"\n{more}\n[route.default.login]\nuser = \"gate\"\npassword_file = \"{}\"",
            file.display()
        ))
    };
    for tls in ["", "tls = \"none\"", "tls = \"opportunistic\""] {
        told(&login(tls), &["route.default", "under TLS only"]);
    }
    let own = login("tls = \"required\"");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("a mode");
    let both = warned(&own);
    assert!(both.iter().any(|warning| warning.contains("chmod 600")), "{both:?}");
    assert!(
        both.iter().any(|warning| warning.contains("better \"verified\"")),
        "{both:?}"
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a mode");
    assert_eq!(warned(&own).len(), 1);
    for (lines, words) in [
        (
            "user = \"gate\"",
            &["route.default.login", "a file with the password"][..],
        ),
        (
            "password_file = \"/nowhere/at/all\"",
            &["route.default.login", "a user name"],
        ),
        (
            "user = \"gate\"\npassword_file = \"/nowhere/at/all\"",
            &["route.default.login.password_file", "cannot be read"],
        ),
    ] {
        let text = format!("upstream = \"192.0.2.1:25\"\ntls = \"verified\"\n[route.default.login]\n{lines}");
        told(&route(&text), words);
    }
    // Nothing that is told holds the password.
    assert!(!mistakes(&login("")).concat().contains("secret"));
}

#[test]
fn clients_passwords_and_our_own_do_not_meet_on_one_route() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    fs::write(&file, "word\n").expect("a file");
    let text = route(&format!(
        "upstream = \"192.0.2.1:25\"\ntls = \"verified\"\n[route.default.login]\nuser = \"gate\"\npassword_file = \"{}\"\n\
         [[listen]]\nname = \"sub\"\nbind = \"127.0.0.1:587\"\ndirection = \"outbound\"\nauth = true",
        file.display()
    ));
    told(&text, &["route.default.login", "listener `sub`", "auth = true"]);
}
