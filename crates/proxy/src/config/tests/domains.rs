use std::fs;
use std::path::PathBuf;

use gatepost_core::{Concern, async_trait};
use gatepost_testkit::Fakes;
use tempfile::TempDir;

use super::*;
use crate::config::{LeftOut, load_with};
use crate::wiring;

fn good(text: &str) -> Loaded {
    read(text, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn own<'a>(loaded: &'a Loaded, name: &str) -> &'a Domain {
    &loaded.config.domain[&name.parse::<DomainName>().expect(name)]
}

/// Where the first listener sends mail for an address.
fn goes(loaded: &Loaded, to: &str) -> Option<String> {
    let to = gatepost_core::Path::forward(to, true).expect("an address");
    let route = wiring::routes(&loaded.config, &loaded.config.listen[0]);
    route.route(&to).ok().map(ToString::to_string)
}

/// A customer's table, with a mail server of its own.
fn customer(name: &str, server: &str) -> String {
    format!("[domain.\"{name}\".server]\nupstream = \"{server}\"\n")
}

#[test]
fn a_domain_with_a_mail_server_or_a_route_is_ours_and_goes_there() {
    let loaded = good(&format!(
        "{GOOD}{}{}[route.office]\nupstream = \"office.example:25\"\n[domain.\"Other.example\"]\nroute = \"office\"\n\
         [domain.\"*.acme.example\"]\nroute = \"acme.example\"\n[domain.\"acme.example\".addresses]\nboss = \"office\"\n",
        customer("acme.example", "192.0.2.7:25"),
        customer(".below.example", "[2001:db8::7]:25"),
    ));
    assert_eq!(loaded.warnings, []);
    for (to, route) in [
        ("ann@example.org", Some("default")),
        ("ann@ACME.example", Some("acme.example")),
        ("Boss+x@acme.example", Some("office")),
        ("ann@deep.acme.example", Some("acme.example")),
        ("ann@other.example", Some("office")),
        ("ann@a.b.below.example", Some(".below.example")),
        ("ann@below.example", None),
        ("ann@nowhere.example", None),
    ] {
        assert_eq!(goes(&loaded, to).as_deref(), route, "{to}");
    }
    let local: Vec<String> = loaded.config.local_domains.iter().map(ToString::to_string).collect();
    assert_eq!(
        local,
        [
            "example.org",
            ".acme.example",
            ".below.example",
            "acme.example",
            "other.example"
        ]
    );
    assert_eq!(loaded.config.route["acme.example"].upstream.to_string(), "192.0.2.7:25");
    let place = own(&loaded, "acme.example").written.as_ref().map(ToString::to_string);
    assert_eq!(place.as_deref(), Some("gatepost.toml:8:9"));
}

#[test]
fn customers_alone_are_enough() {
    let text = GOOD.replace("local_domains = [\"example.org\"]\n", "") + &customer("acme.example", "192.0.2.7:25");
    let loaded = good(&text);
    assert_eq!(goes(&loaded, "ann@acme.example").as_deref(), Some("acme.example"));
    assert_eq!(goes(&loaded, "ann@example.org"), None);
}

#[test]
fn mistakes_about_customers_stand_where_their_tables_do() {
    let told = mistakes(&format!(
        "{GOOD}{}[domain.\"a.example\"]\nroute = \"default\"\n[domain.\"b.example\"]\nroute = \"defalt\"\n\
         [domain.\"c.example\"]\nroute = \"default\"\n[route.\"default\".domains]\n[domain.\"d.example\".addresses]\n\
         \"no one\" = \"default\"\nboss = \"dfault\"\n[domain.\"e.example\".server]\ntls = \"none\"\n",
        customer("a.example", "192.0.2.7:25"),
    )
    .replace("[route.\"default\".domains]\n", "[route.third]\nupstream = \"c:25\"\ndomains = [\"c.example\"]\n[route.\"f.example\"]\nupstream = \"f:25\"\n[domain.\"f.example\".server]\nupstream = \"f:25\"\ndomains = [\"f.example\"]\n[domain.\"g..example\"]\n[domain.\"C.example\"]\n"));
    let starts = |place: &str, text: &str| {
        assert!(
            told.iter().any(|line| line.starts_with(place) && line.contains(text)),
            "{place} {text}: {told:#?}"
        );
    };
    starts(
        "gatepost.toml:11:9: domain.\"a.example\".route: ",
        "leave out one of route and server",
    );
    starts(
        "gatepost.toml:13:9: domain.\"b.example\".route: ",
        "there is no [route.defalt]; did you mean `default`?",
    );
    starts(
        "gatepost.toml:15:9: domain.\"c.example\".route: ",
        "takes the route `third` already, by what is written at gatepost.toml:18:12",
    );
    starts(
        "gatepost.toml:21:21: domain.\"f.example\".server: ",
        "a route is called so, at gatepost.toml:19:8",
    );
    starts(
        "gatepost.toml:24:9: domain.\"g..example\": ",
        "expected a domain such as",
    );
    starts(
        "gatepost.toml:25:9: domain.\"C.example\": ",
        "is the same domain: it is written at gatepost.toml:14:9 already",
    );
    starts(
        "gatepost.toml:27:12: domain.\"d.example\".addresses.\"no one\": ",
        "expected a local part",
    );
    starts(
        "gatepost.toml:28:8: domain.\"d.example\".addresses.boss: ",
        "there is no [route.dfault]",
    );
    starts(
        "gatepost.toml:29:21: domain.\"e.example\".server: ",
        "`upstream` is missing",
    );
    assert!(
        !told
            .iter()
            .any(|line| line.contains("e.example") && !line.contains("upstream")),
        "{told:#?}"
    );
}

#[test]
fn a_customer_is_asked_for_danger_and_greylisted_and_for_spam_where_it_says_so() {
    let text = |lines: &str| {
        format!(
            "{GOOD}[domain.\"acme.example\"]\n{lines}\n{}[domain.\"plain.example\"]\n{lines}\n",
            customer("acme.example", "192.0.2.7:25")
        )
        .replace("[\"example.org\"]", "[\"example.org\", \"plain.example\"]")
    };
    let modes = |loaded: &Loaded, name: &str| {
        let own = own(loaded, name);
        let off = |mode: Option<Mode>, is: Mode| mode == Some(is);
        let named = |is| {
            let all = linked().into_values();
            let all = all.map(|entry| (entry.name, own.mode(entry)));
            all.filter(|(_, mode)| off(*mode, is))
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        (named(Mode::Off), named(Mode::Enforce))
    };
    let spam = linked().into_values().filter(|entry| entry.concern == Concern::Spam);
    let spared = spam
        .map(|entry| entry.name)
        .filter(|name| !["command_mailbox", "greylist", "whitelist"].contains(name));
    // In this test no filter is of danger; see the dialogues for those that are.
    let spared: Vec<&str> = spared.collect();
    assert!(spared.len() > 5 && spared.contains(&"bayes"));
    let loaded = good(&text(""));
    assert_eq!(modes(&loaded, "acme.example"), (spared.clone(), vec![]));
    assert_eq!(modes(&loaded, "plain.example"), (vec![], vec![]), "as it was");
    let loaded = good(&text("spam = true\ngreylist = false"));
    assert_eq!(modes(&loaded, "acme.example"), (vec!["greylist"], vec![]));
    let loaded = good(&text("spam = false\ngreylist = true"));
    assert_eq!(modes(&loaded, "plain.example"), (spared, vec!["greylist"]));
    let loaded = good(&text(
        "filters.bayes.mode = \"score\"\nfilters.greylist.mode = \"monitor\"\ngreylist = true",
    ));
    let acme = own(&loaded, "acme.example");
    assert_eq!(
        acme.mode(&BAYES),
        Some(Mode::Score),
        "what is said of the filter itself counts"
    );
    assert_eq!(acme.mode(&GREYLIST), Some(Mode::Monitor));
}

#[test]
fn waiting_mail_is_asked_for_from_the_customers_own_server() {
    let loaded = good(&format!(
        "{GOOD}{}{}[domain.\"c.example\"]\netrn_from = [\"192.0.2.0/28\"]\n[domain.\"c.example\".server]\nupstream = \"192.0.2.99:25\"\n\
         [domain.\"d.example\"]\nroute = \"default\"\n[domain.\"e.example\"]\netrn_from = []\nserver = {{ upstream = \"192.0.2.7:25\" }}\n",
        customer("a.example", "[::ffff:192.0.2.7]:25"),
        customer("b.example", "mail.b.example:25"),
    ));
    let may = wiring::etrn(&loaded.config, &loaded.config.listen[0]);
    for (domain, from, yes) in [
        ("a.example", "192.0.2.7", true),
        ("a.example", "192.0.2.8", false),
        ("b.example", "192.0.2.7", false),
        ("c.example", "192.0.2.3", true),
        ("c.example", "192.0.2.99", false),
        ("d.example", "127.0.0.1", false),
        ("e.example", "192.0.2.7", false),
        ("example.org", "127.0.0.1", false),
    ] {
        assert_eq!(may.may(domain, from.parse().unwrap()), yes, "{domain} {from}");
    }
    let told = mistakes(&format!(
        "{GOOD}[domain.\"example.org\"]\netrn_from = [\"0.0.0.0/0\"]\n"
    ));
    assert!(
        told[0].contains("etrn_from[0]: 0.0.0.0/0 is the whole Internet"),
        "{told:?}"
    );
}

#[test]
fn a_list_of_recipients_is_that_of_one_domain() {
    let told = mistakes(&format!("{GOOD}[domain.\".example.org\"]\nrecipients = [\"ann\"]\n"));
    assert!(
        told[0].contains("domain.\".example.org\".recipients: a list is that of one domain"),
        "{told:?}"
    );
}

/// A file that includes a folder, in which these files lie.
fn including(files: &[(&str, &str)]) -> (TempDir, Result<Loaded, Mistakes>) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("domains.d")).expect("a folder");
    for (name, text) in files {
        fs::write(folder.path().join("domains.d").join(name), text).expect("a file");
    }
    let path = folder.path().join("gatepost.toml");
    let sources = Sources {
        file: Some((path, format!("include = \"domains.d\"\n{GOOD}"))),
        ..Sources::default()
    };
    let loaded = load(&sources, &linked());
    (folder, loaded)
}

#[test]
fn a_folder_holds_a_small_file_for_each_customer() {
    let acme = customer("acme.example", "192.0.2.7:25");
    let (_folder, loaded) = including(&[
        ("b.toml", "[domain.\"other.example\"]\nroute = \"shared\"\n"),
        ("a.toml", &(acme + "[route.shared]\nupstream = \"192.0.2.8:25\"\n")),
        (".a.toml", "no TOML"),
        ("#b.toml#", "no TOML"),
        (".#c.toml", "no TOML"),
        ("a.toml~", "no TOML"),
        ("a.toml.dpkg-old", "no TOML"),
        ("README", "no TOML"),
    ]);
    let loaded = loaded.unwrap_or_else(|told| panic!("{told}"));
    assert_eq!(loaded.warnings, []);
    assert_eq!(goes(&loaded, "ann@acme.example").as_deref(), Some("acme.example"));
    assert_eq!(goes(&loaded, "ann@other.example").as_deref(), Some("shared"));
    let place = own(&loaded, "other.example").written.as_ref().map(ToString::to_string);
    assert!(
        place
            .as_ref()
            .is_some_and(|place| place.ends_with("domains.d/b.toml:1:9")),
        "{place:?}"
    );
}

#[test]
fn each_mistake_in_a_folder_names_its_file_and_all_are_told() {
    let (folder, loaded) = including(&[
        (
            "a.toml",
            "[domain.\"acme.example\".server]\nupstream = \"192.0.2.7:25\"\ntsl = \"none\"\n",
        ),
        (
            "b.toml",
            "[domain.\"ACME.example\"]\nroute = \"default\"\n[limits]\njunk = 5\n",
        ),
        ("c.toml", "[domain\n"),
        ("d.toml", "domain = 5\n"),
        ("e.toml", "[route.default]\nupstream = \"x:25\"\n"),
    ]);
    let told = loaded.expect_err("mistakes").to_string();
    fs::create_dir(folder.path().join("domains.d/f.toml")).expect("a folder");
    for line in [
        "a.toml:3:1: domain.\"acme.example\".server.tsl: unknown key; did you mean `tls`?",
        "b.toml:1:9: domain.\"ACME.example\": [domain.\"ACME.example\"] is written at ",
        "b.toml:3:2: limits: here are only tables of [domain] and [route]: it belongs in the main file",
        "c.toml:1:8: this is no TOML",
        "d.toml:1:10: domain: expected tables such as [domain.\"example.org\"]",
        "e.toml:1:8: route.default: [route.default] is written at ",
    ] {
        assert!(told.lines().any(|told| told.contains(line)), "{line}:\n{told}");
    }
    assert_eq!(told.lines().count(), 6, "{told}");
}

#[test]
fn a_folder_that_is_not_there_is_a_mistake() {
    let told = mistakes(&format!("include = \"/nowhere/domains.d\"\n{GOOD}"));
    assert!(
        told[0].starts_with("gatepost.toml:1:11: include: /nowhere/domains.d: the folder cannot be read"),
        "{told:?}"
    );
}

fn stored(domains: &[(&str, &str)]) -> Vec<(String, String)> {
    let text = |(name, lines): &(&str, &str)| (name.to_string(), format!("[domain.\"{name}\"]\n{lines}\n"));
    domains.iter().map(text).collect()
}

fn with_stored(file: &str, domains: &[(&str, &str)]) -> Result<(Loaded, Vec<LeftOut>), Mistakes> {
    let sources = Sources {
        file: Some((PathBuf::from("gatepost.toml"), file.into())),
        ..Sources::default()
    };
    load_with(&sources, stored(domains), &linked())
}

const SERVER: &str = "server = { upstream = \"192.0.2.7:25\" }";

struct Scanner;
#[async_trait]
impl Filter for Scanner {}
impl FilterKind for Scanner {
    const NAME: &'static str = "clamav";
    const ABOUT: &'static str = "scans";
    const PHASES: Phases = Phases::MESSAGE;
    const CONCERN: Concern = Concern::Danger;
    const MAY: Wishes = Wishes::NONE;
    type Config = OneOption;
    fn build(_: OneOption, _: &Services) -> Result<Scanner, BuildError> {
        Ok(Scanner)
    }
}
static SCANNER: Entry = Entry::of::<Scanner>();

#[test]
fn how_mail_is_looked_at_for_danger_is_the_main_files_word_and_nobody_elses() {
    let mut registry = linked();
    registry.insert("clamav", &SCANNER);
    let filters = "[domain.\"acme.example\".filters.clamav]\non_fault = \"ignore\"\noptions = { delay = \"5m\" }\n";
    let told = |stored: &str, file: &str, in_folder: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("domains.d")).expect("a folder");
        fs::write(folder.path().join("domains.d/a.toml"), in_folder).expect("a file");
        let stored = match stored {
            "" => Vec::new(),
            text => vec![("acme.example".to_owned(), text.to_owned())],
        };
        let sources = Sources {
            file: Some((
                folder.path().join("gatepost.toml"),
                format!("include = \"domains.d\"\n{GOOD}{file}"),
            )),
            stored,
            ..Sources::default()
        };
        load(&sources, &registry).map_or_else(|wrong| wrong.0.into_iter().map(|one| one.key).collect(), |_| Vec::new())
    };
    let acme = customer("acme.example", "192.0.2.7:25");
    let whole = acme.clone() + filters;
    assert_eq!(told("", &whole, ""), Vec::<String>::new(), "the main file may");
    let key = |key: &str| format!("domain.\"acme.example\".filters.clamav.{key}");
    for (stored, folder) in [(whole.as_str(), ""), ("", whole.as_str())] {
        assert_eq!(told(stored, "", folder), [key("on_fault"), key("options")]);
    }
    let enforced = acme.clone() + "[domain.\"acme.example\".filters.clamav]\nmode = \"enforce\"\n";
    assert_eq!(told("", "", &enforced), [key("mode")]);
    let off = acme + "[domain.\"acme.example\".filters.clamav]\nmode = \"off\"\n";
    assert_eq!(told("", &off, ""), [key("mode")], "as before");
    let plain = format!(
        "[domain.\"example.org\"]\nadmins = []\n{}",
        filters.replace("acme.example", "example.org")
    );
    assert_eq!(
        told("", "", &plain).len(),
        2,
        "of a domain without a mail server of its own, too"
    );
}

#[test]
fn what_the_store_has_of_a_domain_counts_unless_a_file_has_it() {
    let file = format!("{GOOD}{}", customer("acme.example", "192.0.2.1:25"));
    let (loaded, left_out) =
        with_stored(&file, &[("acme.example", SERVER), ("other.example", SERVER)]).expect("no mistake");
    assert_eq!(left_out, []);
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].starts_with("store: acme.example:1:9: warning: domain.\"acme.example\": the store has it, too"),
        "{warnings:?}"
    );
    assert_eq!(loaded.config.route["acme.example"].upstream.to_string(), "192.0.2.1:25");
    let place = own(&loaded, "other.example").written.clone().expect("a place");
    assert_eq!(place.stored(), Some("other.example"));
}

#[test]
fn a_domain_of_the_store_that_has_become_wrong_is_left_out_and_no_other() {
    let file = format!("{GOOD}[route.taken]\nupstream = \"t:25\"\ndomains = [\"taken.example\"]\n")
        .replace("[\"example.org\"]", "[\"example.org\", \"taken.example\"]");
    let (loaded, left_out) = with_stored(
        &file,
        &[
            ("good.example", SERVER),
            ("gone.example", "route = \"gone\""),
            ("odd.example", "no TOML at all"),
            ("depends.example", "route = \"typo.example\""),
            ("typo.example", "srver = 5"),
            ("taken.example", SERVER),
            ("wide.example", "[limits]\njunk = 5"),
        ],
    )
    .expect("no mistake");
    let mut names: Vec<&str> = left_out.iter().map(|out| out.domain.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "depends.example",
            "gone.example",
            "odd.example",
            "taken.example",
            "typo.example",
            "wide.example"
        ]
    );
    for out in &left_out {
        let first = format!("store: {}:", out.domain);
        assert!(
            out.told().lines().all(|line| line.starts_with(&first)),
            "{}",
            out.told()
        );
    }
    assert_eq!(goes(&loaded, "ann@good.example").as_deref(), Some("good.example"));
    assert_eq!(goes(&loaded, "ann@taken.example").as_deref(), Some("taken"));
    assert_eq!(goes(&loaded, "ann@gone.example"), None);
    // It is ours all the same: nobody's mail is sent back for what an operator got wrong.
    for (to, code) in [
        ("ann@gone.example", "451 4.3.5 "),
        ("ann@sub.gone.example", "550 5.7.1 "),
    ] {
        let to = gatepost_core::Path::forward(to, true).expect("an address");
        let routes = wiring::routes(&loaded.config, &loaded.config.listen[0]);
        let reply = routes.route(&to).expect_err("no way").to_string();
        assert!(reply.starts_with(code), "{to}: {reply}");
    }
    // What is wrong in the file is the file's.
    let told = with_stored("local_domains = 5", &[("good.example", SERVER)]).expect_err("mistakes");
    assert!(told.0.iter().all(|mistake| mistake.place.stored().is_none()), "{told}");
}

#[test]
fn where_each_domain_has_a_server_of_its_own_there_need_be_no_other_route() {
    let listen = "[[listen]]\nname = \"mx\"\nbind = \"127.0.0.1:2525\"\ndirection = \"inbound\"\n";
    let all = |local: &str, more: &str| {
        let acme = customer("acme.example", "192.0.2.7:25");
        read(&format!("local_domains = {local}\n{listen}{more}{acme}"), &[])
    };
    let loaded = all("[]", "").unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(goes(&loaded, "ann@acme.example").as_deref(), Some("acme.example"));
    for (local, more) in [("[\"example.org\"]", ""), ("[]", "route = \"defalt\"\n")] {
        let told = all(local, more).expect_err("no such route").to_string();
        assert!(told.contains("listen[0].route: there is no [route.def"), "{told}");
    }
}

#[test]
fn a_file_that_leans_on_the_store_is_told_before_a_start_finds_it() {
    let file = format!("{GOOD}[domain.\"filed.example\"]\nroute = \"acme.example\"\n");
    let told = with_stored(&file, &[("acme.example", SERVER)])
        .expect_err("a mistake")
        .to_string();
    assert!(
        told.contains("gatepost.toml:")
            && told.contains("there is no [route.\"acme.example\"]")
            && told.contains("without"),
        "{told}"
    );
}

#[test]
fn a_list_with_a_mistake_takes_its_own_domain_out_and_no_other() {
    let folder = TempDir::new().expect("a folder");
    let list = folder.path().join("acme.txt");
    fs::write(&list, "ann\nno body here\n").expect("a file");
    let acme = format!("{SERVER}\nrecipients_file = \"{}\"", list.display());
    let (loaded, left_out) = with_stored(GOOD, &[("acme.example", &acme), ("b.example", SERVER)]).expect("no mistake");
    assert_eq!(left_out.len(), 1, "{left_out:?}");
    assert!(
        left_out[0].domain == "acme.example" && left_out[0].told().contains("acme.txt:2:1"),
        "{left_out:?}"
    );
    assert_eq!(goes(&loaded, "ann@b.example").as_deref(), Some("b.example"));
    assert_eq!(loaded.config.out_of_service, ["acme.example"]);
}

#[test]
fn a_single_address_is_routed_however_it_is_written_and_once() {
    let office = "[route.office]\nupstream = \"office.example:25\"\n";
    let with = |addresses: &str| {
        let acme = customer("acme.example", "192.0.2.7:25");
        read(
            &format!("{GOOD}{office}{acme}[domain.\"acme.example\".addresses]\n{addresses}"),
            &[],
        )
    };
    let loaded = with("\"Boss@Acme.example\" = \"office\"\n").unwrap_or_else(|mistakes| panic!("{mistakes}"));
    for (to, route) in [("boss@acme.example", "office"), ("ann@acme.example", "acme.example")] {
        assert_eq!(goes(&loaded, to).as_deref(), Some(route), "{to}");
    }
    let twice = "boss = \"office\"\n\"boss@acme.example\" = \"default\"\n";
    let told = with(twice).expect_err("a mistake").to_string();
    assert!(told.contains("expected one route for each mailbox"), "{told}");
}

#[test]
fn nobody_is_relayed_for_by_the_name_of_a_top_level_domain() {
    let (_, left_out) = with_stored(GOOD, &[(".com", SERVER), (".acme.example", SERVER)]).expect("no mistake");
    let names: Vec<&str> = left_out.iter().map(|out| out.domain.as_str()).collect();
    assert_eq!(names, [".com"]);
    let (loaded, left_out) = with_stored(GOOD, &[(".co.uk", SERVER)]).expect("no mistake");
    assert_eq!((left_out.len(), loaded.warnings.len()), (0, 1), "{:?}", loaded.warnings);
}

#[test]
fn a_postmaster_without_a_domain_is_no_customers() {
    let (loaded, _) = with_stored(GOOD, &[("aaa.example", SERVER)]).expect("no mistake");
    assert_eq!(goes(&loaded, "postmaster").as_deref(), Some("default"));
    let file = GOOD.replace("[\"example.org\"]", "[]");
    let (loaded, _) = with_stored(&file, &[("aaa.example", SERVER)]).expect("no mistake");
    assert_eq!(goes(&loaded, "postmaster").as_deref(), Some("default"));
}

#[test]
fn a_table_that_says_nothing_of_a_filter_leaves_what_is_said_of_all_below_one() {
    let mut registry = linked();
    registry.insert("clamav", &SCANNER);
    let text = format!(
        "{GOOD}[pipeline.inbound]\ntiers = [[\"clamav\"]]\n{}\
         [domain.\".acme.example\".filters.clamav]\non_fault = \"defer\"\noptions = {{ delay = \"5m\" }}\n",
        customer(".acme.example", "192.0.2.7:25"),
    );
    let sources = Sources {
        file: Some((PathBuf::from("gatepost.toml"), text)),
        ..Sources::default()
    };
    let silent = [("sub.acme.example", "filters.clamav = {}\n")];
    let (loaded, out) = load_with(&sources, stored(&silent), &registry).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(out.is_empty() && own(&loaded, "sub.acme.example").filters.contains_key("clamav"));
    let services = Services::null(Fakes::new().clock.clone(), Fakes::SEED);
    let pipeline = loaded.config.listen[0].pipeline();
    let tiers =
        wiring::tiers(&loaded.config, pipeline, &registry, &services, &mut Default::default()).expect("filters");
    for domain in ["sub.acme.example", "other.acme.example"] {
        let (name, exception) = tiers[0][0].domains.entry(domain).expect(domain);
        assert_eq!(name, ".acme.example", "{domain}");
        assert!(exception.on_fault.is_some() && exception.filter.is_some(), "{domain}");
    }
}
