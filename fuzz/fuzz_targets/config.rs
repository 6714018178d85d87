//! Any octets as the configuration, and any variables over it: it is loaded, or each mistake has a place in what was
//! written; the same again gives the same; a comment behind it changes nothing; and whoever looks at what was loaded finds
//! nothing that its checks should have told.
//!
//! The input: the file, then variables as `NAME=value`, one from the next by 0xFF.
#![no_main]

// The filters whose options are read.
use gatepost_filters as _;

/// The reader, out of the proxy, without the sockets and the store that belong to the rest of it.
#[allow(dead_code, unused_imports, reason = "the proxy uses all of it")]
#[path = "../../crates/proxy/src/config/mod.rs"]
mod config;

/// Stands for the proxy's certificates: fuzzing opens no file that a configuration names.
mod tls {
    use std::path::Path;

    pub enum Trust<'a> {
        System,
        Authority(&'a Path),
    }

    pub fn acceptor(certificate: &Path, _: &Path, _: bool) -> Result<(), String> {
        good(certificate)
    }

    pub fn connector(trust: Trust<'_>) -> Result<(), String> {
        match trust {
            Trust::System => Ok(()),
            Trust::Authority(file) => good(file),
        }
    }

    fn good(file: &Path) -> Result<(), String> {
        match file.extension() {
            Some(_) => Ok(()),
            None => Err(format!("{}: is no certificate", file.display())),
        }
    }
}

/// Stands for the proxy's logins at mail servers, for the same reason.
mod login {
    use std::path::Path;

    use crate::config::RouteLogin;

    pub struct Login;

    pub struct NoLogin {
        pub key: &'static str,
        pub why: String,
    }

    impl Login {
        pub fn read(login: &RouteLogin) -> Result<Option<Login>, NoLogin> {
            match login.password_file.as_deref().map(|file| file.extension().is_some()) {
                None => Ok(None),
                Some(true) => Ok(Some(Login)),
                Some(false) => Err(NoLogin {
                    key: "password_file",
                    why: "holds no password".into(),
                }),
            }
        }

        pub fn exposed(_: &RouteLogin) -> Option<(&Path, u32)> {
            None
        }
    }
}

use std::collections::HashSet;
use std::sync::LazyLock;

use config::{Config, DEFAULTS, Mistake, Mistakes, PREFIX, Registry, Sources, load};
use gatepost_pipeline::policy::{Policy, Rules};

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| gatepost_core::registry().expect("the filters are linked"));

const FILE: &str = "gatepost.toml";

/// What came of it, to compare.
fn outcome(octets: &[u8], variables: &[(String, String)]) -> Result<config::Loaded, Mistakes> {
    let sources = Sources::of(Some((FILE.into(), octets.to_vec())), variables.to_vec());
    load(&sources.map_err(|mistake| Mistakes(vec![mistake]))?, &REGISTRY)
}

/// All of it but what it was read from, which is not the same where there is a comment more.
fn words(told: &Result<config::Loaded, Mistakes>) -> String {
    match told {
        Ok(loaded) => format!("{:?}", (&loaded.config, &loaded.file, &loaded.warnings)),
        Err(mistakes) => format!("{mistakes:?}"),
    }
}

/// It is told in one line, and stands where something is written.
fn has_a_place(mistake: &Mistake, octets: &[u8], variables: &[(String, String)]) {
    let told = mistake.to_string();
    assert!(
        !mistake.message.is_empty() && !told.chars().any(char::is_control),
        "{told:?}"
    );
    if let Some(rest) = told.strip_prefix("environment variable ") {
        assert!(
            variables.iter().any(|(name, _)| rest.starts_with(&escaped(name))),
            "{told}"
        );
        return;
    }
    let (text, rest) = match told.strip_prefix("embedded defaults:") {
        Some(rest) => (DEFAULTS.as_bytes(), rest),
        None => (octets, told.strip_prefix("gatepost.toml:").expect(&told)),
    };
    let mut numbers = rest.splitn(3, ':').map(|number| number.parse::<usize>().unwrap_or(0));
    let (line, column) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let lines: Vec<&[u8]> = text.split(|octet| *octet == b'\n').collect();
    assert!((1..=lines.len()).contains(&line), "{told}");
    assert!((1..=lines[line - 1].len() + 1).contains(&column), "{told}");
}

/// A name as a mistake shows it.
fn escaped(name: &str) -> String {
    let escape = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    name.chars().map(escape).collect()
}

/// Looks at all of it as the proxy does.
fn look(config: &Config) {
    assert!(!config.hostname().is_empty() && !config.authserv_id().is_empty());
    assert!(config.socket().is_ok() && config.spool_dir().components().next().is_some());
    let names: HashSet<&str> = config.listen.iter().map(|listen| listen.name.as_str()).collect();
    assert_eq!(names.len(), config.listen.len(), "two listeners of a name");
    for listen in &config.listen {
        assert!(config.route.contains_key(&listen.route), "a route that leads nowhere");
        assert!(config.pipeline.contains_key(listen.pipeline()), "no such pipeline");
        for name in config.tiers(listen.pipeline()).iter().flatten() {
            assert!(REGISTRY.contains_key(name.as_str()), "{name} is not linked");
            assert!(*config.filter(name).patience <= Rules::fold([&config.policy]).deadline.0);
            config.filter(name).options();
        }
        let tls = listen.tls != config::TlsStart::None;
        assert!(
            !tls || listen.certificate(&config.tls).is_some(),
            "TLS without a certificate"
        );
        assert!(!listen.auth || tls, "passwords in plain text");
        assert!(
            !listen.trusted_networks.iter().any(|network| network.is_everyone()),
            "an open relay"
        );
    }
    let domains = || config.domain.iter().map(|(name, domain)| (&**name, &domain.policy));
    let policy = Policy::new(&config.policy, domains());
    let site = policy.rules(None, None);
    for (name, domain) in &config.domain {
        let own = policy.rules(Some(&name.to_ascii_lowercase()), None);
        // What is locked may leave thresholds in disorder; that is a warning.
        let vain = !domain.policy.touching(&site.locked).is_empty();
        assert!(vain || own.mistakes().is_empty());
        for (user, layer) in &domain.users {
            let rules = Rules::clone(own).under(layer);
            let vain = vain || !layer.touching(&own.locked).is_empty();
            assert!(vain || rules.mistakes().is_empty(), "{user}");
        }
    }
    assert_eq!(policy.rules(None, None).mistakes(), []);
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut pieces = data.split(|octet| *octet == 0xFF);
    let file = pieces.next().unwrap_or_default();
    let variables: Vec<(String, String)> = pieces
        .take(8)
        .filter_map(|piece| str::from_utf8(piece).ok()?.split_once('='))
        // No environment holds such a one.
        .filter(|(name, value)| !name.contains('\0') && !value.contains('\0'))
        .map(|(name, value)| (format!("{PREFIX}{name}"), value.to_owned()))
        .collect();
    let told = outcome(file, &variables);
    let mistakes = match &told {
        Ok(loaded) => &loaded.warnings,
        Err(mistakes) => &mistakes.0,
    };
    assert!(told.is_ok() || !mistakes.is_empty(), "it is refused for no reason");
    mistakes
        .iter()
        .for_each(|mistake| has_a_place(mistake, file, &variables));
    let mut more = file.to_vec();
    if let Ok(loaded) = &told {
        look(&loaded.config);
        more.extend(b"\n# a comment\n");
    }
    assert_eq!(words(&told), words(&outcome(&more, &variables)));
});
