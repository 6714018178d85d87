use gatepost_core::Setting;
use gatepost_testkit::MemoryStore;

use super::*;

/// A file without filters, over which the domains of the store lie.
const FILE: &str = "local_domains = [\"example.org\"]\nhostname = \"mx.example.org\"\n\
    listen = [{name = \"mx\", bind = \"127.0.0.1:25\", direction = \"inbound\"}]\n\
    [route.default]\nupstream = \"maildir:m\"\n[pipeline.inbound]\ntiers = []\n[pipeline.outbound]\ntiers = []\n";

fn sources(file: &str) -> Sources {
    Sources {
        file: Some(("gatepost.toml".into(), file.into())),
        ..Sources::default()
    }
}

/// A register over a store, with what it has of this file in service.
async fn serving(file: &str, store: Store) -> Register {
    let register = Register::new(store, Registry::new());
    let (loaded, left_out) = register.load(sources(file)).await.unwrap_or_else(|why| panic!("{why}"));
    let config = Arc::new(loaded.config);
    let ways = Arc::new(Ways::new(&config, None).unwrap_or_else(|why| panic!("{why}")));
    register.publish(Serving {
        config,
        ways,
        sources: loaded.sources,
        left_out,
        asks: false,
    });
    register
}

fn add(domain: &str, settings: &[(&str, &str)]) -> DomainAct {
    DomainAct::Add {
        domain: domain.into(),
        settings: settings.iter().map(|(key, value)| Setting::new(*key, *value)).collect(),
    }
}

const SERVER: (&str, &str) = ("server.upstream", "\"127.0.0.1:9\"");

async fn lines(register: &Register, act: DomainAct) -> Result<Vec<String>, String> {
    lines_for(register, act, None).await
}

/// What is said to one who looks after these domains alone.
async fn lines_for(register: &Register, act: DomainAct, own: Option<&[String]>) -> Result<Vec<String>, String> {
    match register.act(&act, own).await {
        Ok(Receipt::Done(change)) => Ok(change.lines),
        Ok(Receipt::Refused(why)) => Err(why),
        other => panic!("{other:?}"),
    }
}

async fn rows(register: &Register) -> Vec<DomainRow> {
    match register.act(&DomainAct::List, None).await {
        Ok(Receipt::Domains(rows)) => rows,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_domain_is_added_changed_shown_and_removed() {
    let store = MemoryStore::store();
    let register = serving(FILE, store.clone()).await;
    let done = lines(&register, add("Acme.Example", &[SERVER])).await;
    assert_eq!(done, Ok(vec!["acme.example is in the store and in service".to_owned()]));
    let set = |key: &str, value: &str| DomainAct::Set {
        domain: "acme.example".into(),
        settings: vec![Setting::new(key, value)],
    };
    assert!(lines(&register, set("spam", "true")).await.is_ok());
    // As it is after a start.
    let register = serving(FILE, store).await;
    let all = rows(&register).await;
    assert_eq!(all.len(), 1, "{all:?}");
    let row = &all[0];
    assert_eq!(
        (row.domain.as_str(), row.stored, row.route.as_str(), row.leads.as_str()),
        ("acme.example", true, "acme.example", "127.0.0.1:9")
    );
    assert_eq!(row.up, None, "nobody has asked the mail server");
    let shown = lines(
        &register,
        DomainAct::Show {
            domain: "ACME.example".into(),
        },
    )
    .await
    .expect("a sheet")
    .join("\n");
    for text in [
        "  written  in the store",
        "answers is not known, since no daemon runs",
        "spam: yes",
        "[domain.\"acme.example\".server]\nupstream = \"127.0.0.1:9\"",
        "acme.example. IN MX 10 mx.example.org.",
        "    127.0.0.1\n",
    ] {
        assert!(shown.contains(text), "{text}:\n{shown}");
    }
    let remove = || DomainAct::Remove {
        domain: "acme.example".into(),
    };
    assert!(lines(&register, remove()).await.is_ok());
    assert!(lines(&register, remove()).await.is_err() && rows(&register).await.is_empty());
}

#[tokio::test]
async fn what_is_wrong_is_told_whole_and_changes_nothing() {
    let store = MemoryStore::store();
    let file = format!("{FILE}[domain.\"filed.example\"]\nroute = \"default\"\n");
    let register = serving(&file, store.clone()).await;
    for (act, told) in [
        (
            add("acme.example", &[SERVER, ("server.tsl", "none"), ("spam", "maybe")]),
            &[
                "store: acme.example:",
                "server.tsl: unknown key",
                "spam: expected true or false",
            ][..],
        ),
        (add("acme.example", &[("route", "gone")]), &["there is no [route.gone]"]),
        (
            add("acme.example", &[("spam", "true")]),
            &["no mail for acme.example would come in: give --upstream"],
        ),
        (add("no domain", &[SERVER]), &["`no domain` is no domain"]),
        (
            add("filed.example", &[SERVER]),
            &["filed.example is written at gatepost.toml:10:9"],
        ),
        (
            DomainAct::Remove {
                domain: "filed.example".into(),
            },
            &["written at gatepost.toml:10:9, not in the store"],
        ),
        (
            DomainAct::Set {
                domain: "acme.example".into(),
                settings: Vec::new(),
            },
            &["the store has no acme.example"],
        ),
    ] {
        let why = lines(&register, act).await.expect_err("a refusal");
        for told in told {
            assert!(why.contains(told), "{told}: {why}");
        }
    }
    assert_eq!(register.stored().await, Ok(Stored::new()));
    lines(&register, add("acme.example", &[SERVER])).await.expect("added");
    assert!(
        lines(&register, add("acme.example", &[SERVER]))
            .await
            .expect_err("twice")
            .contains("already")
    );
    lines(&register, add("b.example", &[("route", "acme.example")]))
        .await
        .expect("added");
    let why = lines(
        &register,
        DomainAct::Remove {
            domain: "acme.example".into(),
        },
    )
    .await
    .expect_err("needed");
    assert!(why.starts_with("b.example would go out of service by that:"), "{why}");
}

#[tokio::test]
async fn a_domain_that_has_become_wrong_is_listed_and_does_not_keep_others_from_changing() {
    let store = MemoryStore::store();
    let file = format!("{FILE}[route.office]\nupstream = \"maildir:o\"\n[domain.\"o.example\"]\nroute = \"office\"\n");
    let register = serving(&file, store.clone()).await;
    lines(&register, add("acme.example", &[("route", "office")]))
        .await
        .expect("added");
    let register = serving(FILE, store).await;
    let out = &rows(&register).await[0];
    assert!(
        out.left_out
            .as_ref()
            .is_some_and(|why| why.contains("there is no [route.office]")),
        "{out:?}"
    );
    let shown = lines(
        &register,
        DomainAct::Show {
            domain: "acme.example".into(),
        },
    )
    .await
    .expect("a sheet");
    assert!(shown.iter().any(|line| line.contains("NOT IN SERVICE")), "{shown:?}");
    lines(&register, add("b.example", &[SERVER]))
        .await
        .expect("added all the same");
    let mend = DomainAct::Set {
        domain: "acme.example".into(),
        settings: vec![Setting::new("route", "default")],
    };
    lines(&register, mend).await.expect("mended");
    assert!(rows(&register).await.iter().all(|row| row.left_out.is_none()));
}

#[tokio::test]
async fn whoever_looks_after_a_domain_sends_copies_to_no_other() {
    let register = serving(FILE, MemoryStore::store()).await;
    let operators = ("users.eva.spambox", "all@other.example");
    for domain in ["other.example", "third.example"] {
        lines(&register, add(domain, &[SERVER])).await.expect("added");
    }
    lines(&register, add("acme.example", &[SERVER, operators]))
        .await
        .expect("added");
    let own = [
        "acme.example".to_owned(),
        ".third.example".to_owned(),
        "third.example".to_owned(),
    ];
    let set = async |key: &str, value: &str| {
        let act = DomainAct::Set {
            domain: "acme.example".into(),
            settings: vec![Setting::new(key, value)],
        };
        lines_for(&register, act, Some(&own)).await
    };
    for (key, value) in [
        ("policy.spambox", "spam@other.example"),
        ("policy", "{ high = { \"spambo\\u0078\" = \"spam@OTHER.example\" } }"),
        ("users.ann.spambox", "spam@other.example"),
        ("users.ann.high.spambox", "spam@other.example"),
    ] {
        let why = set(key, value).await.expect_err(key);
        assert!(why.contains("other.example is no domain of yours"), "{why}");
    }
    for (key, value) in [
        ("policy.spambox", "spam@{domain}"),
        ("policy.spambox", "spam@Acme.example"),
        ("users.ann.spambox", "spam@third.example"),
        ("users.eva.high.action", "hold"),
        ("users.eva.high.spambox", "all@other.example"),
    ] {
        set(key, value).await.unwrap_or_else(|why| panic!("{key}: {why}"));
    }
    let operator = DomainAct::Set {
        domain: "acme.example".into(),
        settings: vec![Setting::new("policy.spambox", "spam@other.example")],
    };
    lines(&register, operator)
        .await
        .expect("the operator names whom they like");
    set("users.ann.high.action", "hold").await.expect("and that stays");
}

#[tokio::test]
async fn a_daemon_that_is_attached_is_asked_for_changes() {
    let register = serving(FILE, MemoryStore::store()).await;
    let (orders, mut ordered) = mpsc::channel::<Order>(1);
    register.attach(orders);
    let asked = add("acme.example", &[SERVER]);
    let daemon = async {
        let order = ordered.recv().await.expect("an order");
        assert_eq!(order.act, asked);
        let _ = order.answer.send(Receipt::Refused("not now".into()));
        drop(ordered);
    };
    let (receipt, ()) = tokio::join!(register.act(&asked, None), daemon);
    assert_eq!(receipt, Ok(Receipt::Refused("not now".into())));
    assert!(
        matches!(register.act(&asked, None).await, Err(Fault::Unavailable(_))),
        "it is stopping"
    );
}

#[tokio::test]
async fn a_key_that_no_domain_has_is_not_taken_out() {
    let register = serving(FILE, MemoryStore::store()).await;
    let told = lines(&register, add("acme.example", &[SERVER, ("hold", "2d")]))
        .await
        .expect("added");
    assert!(told.iter().any(|line| line.contains("known to exist")), "{told:?}");
    let unset = |key: &str| DomainAct::Set {
        domain: "acme.example".into(),
        settings: vec![Setting::without(key)],
    };
    for key in ["nosuch", "server.tsl", "filters.nosuch"] {
        let why = lines(&register, unset(key)).await.expect_err("a refusal");
        assert!(why.contains(key), "{why}");
    }
    for key in ["spam", "server.tls", "policy.high.action", "etrn_from", "hold"] {
        lines(&register, unset(key)).await.expect("taken out");
    }
    let told = lines(&register, unset("server")).await.expect("taken out");
    assert!(
        told.len() == 1 && told[0].contains("no mail for it comes in"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_domain_that_a_file_has_too_is_shown_with_a_warning() {
    let store = MemoryStore::store();
    let register = serving(FILE, store.clone()).await;
    lines(&register, add("acme.example", &[SERVER])).await.expect("added");
    let register = serving(
        &format!("{FILE}[domain.\"acme.example\"]\nroute = \"default\"\n"),
        store,
    )
    .await;
    let all = rows(&register).await;
    assert!(
        all.len() == 1 && all[0].written.contains("the store has it, too"),
        "{all:?}"
    );
    let act = DomainAct::Show {
        domain: "acme.example".into(),
    };
    let shown = lines(&register, act).await.expect("a sheet").join("\n");
    assert!(shown.contains("  WARNING  the store has it, too"), "{shown}");
}
