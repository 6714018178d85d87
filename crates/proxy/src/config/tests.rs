use gatepost_core::{BuildError, Direction, Entry, Filter, FilterKind, Phases, Services, Wishes};
use proptest::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::*;

mod domains;
mod people;
mod recipients;
mod routes;

/// Stands for a linked filter.
struct Conduct;

/// Options of all kinds.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct ConductOptions {
    /// Points for a HELO without a dot.
    helo_points: f64,
    /// How long to wait.
    delay: Timespan,
    /// How many.
    #[schemars(range(min = 1, max = 9))]
    tries: u8,
    /// Names.
    names: Vec<String>,
}

impl Default for ConductOptions {
    fn default() -> ConductOptions {
        ConductOptions {
            helo_points: 1.5,
            delay: Timespan::secs(2),
            tries: 3,
            names: Vec::new(),
        }
    }
}

impl Filter for Conduct {}

impl FilterKind for Conduct {
    const NAME: &'static str = "conduct";
    const ABOUT: &'static str = "Points for bad behaviour";
    const PHASES: Phases = Phases::CONNECT;
    const MAY: Wishes = Wishes::NONE;
    type Config = ConductOptions;
    fn build(config: ConductOptions, _: &Services) -> Result<Conduct, BuildError> {
        match config.names.iter().position(|name| name.is_empty()) {
            Some(n) => Err(BuildError::at(format!("names[{n}]"), "expected a name, found nothing")),
            None => Ok(Conduct),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OneOption {
    /// How long.
    #[serde(default)]
    #[allow(dead_code, reason = "it is read, and that is all")]
    delay: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DailyOption {
    /// Whether.
    #[serde(default)]
    #[allow(dead_code, reason = "it is read, and that is all")]
    daily: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReachOption {
    /// For whom.
    #[serde(default)]
    #[allow(dead_code, reason = "it is read, and that is all")]
    white_reach: String,
}

/// Others, which do nothing.
macro_rules! dull {
    ($($kind:ident $name:literal $options:ident),*) => {$(
        struct $kind;

        impl Filter for $kind {}

        impl FilterKind for $kind {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = "Nothing";
            const PHASES: Phases = Phases::NONE;
            const MAY: Wishes = Wishes::NONE;
            type Config = $options;
            fn build(_: $options, _: &Services) -> Result<$kind, BuildError> {
                Ok($kind)
            }
        }
    )*};
}
dull!(
    Attachments "attachments" OneOption,
    Bayes "bayes" OneOption,
    Clamav "clamav" OneOption,
    CommandMailbox "command_mailbox" ReachOption,
    Hmm "hmm" OneOption,
    Icap "icap" OneOption,
    Ngram "ngram" OneOption,
    Dull "dull" OneOption,
    Dnsbl "dnsbl" OneOption,
    Greylist "greylist" OneOption,
    Resend "resend" DailyOption,
    Proofs "spf_dkim_dmarc" OneOption,
    Whitelist "whitelist" OneOption
);

static ATTACHMENTS: Entry = Entry::of::<Attachments>();
static BAYES: Entry = Entry::of::<Bayes>();
static CLAMAV: Entry = Entry::of::<Clamav>();
static COMMAND_MAILBOX: Entry = Entry::of::<CommandMailbox>();
static HMM: Entry = Entry::of::<Hmm>();
static ICAP: Entry = Entry::of::<Icap>();
static NGRAM: Entry = Entry::of::<Ngram>();
static CONDUCT: Entry = Entry::of::<Conduct>();
static DULL: Entry = Entry::of::<Dull>();
static DNSBL: Entry = Entry::of::<Dnsbl>();
static GREYLIST: Entry = Entry::of::<Greylist>();
static RESEND: Entry = Entry::of::<Resend>();
static PROOFS: Entry = Entry::of::<Proofs>();
static WHITELIST: Entry = Entry::of::<Whitelist>();

fn linked() -> Registry {
    // The embedded defaults name the others.
    [
        ("attachments", &ATTACHMENTS),
        ("bayes", &BAYES),
        ("clamav", &CLAMAV),
        ("command_mailbox", &COMMAND_MAILBOX),
        ("conduct", &CONDUCT),
        ("dnsbl", &DNSBL),
        ("dull", &DULL),
        ("greylist", &GREYLIST),
        ("hmm", &HMM),
        ("icap", &ICAP),
        ("ngram", &NGRAM),
        ("resend", &RESEND),
        ("spf_dkim_dmarc", &PROOFS),
        ("whitelist", &WHITELIST),
    ]
    .into()
}

fn read(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Mistakes> {
    let variables = variables
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    load(
        &Sources {
            file: Some(("gatepost.toml".into(), text.into())),
            variables,
            stored: Vec::new(),
        },
        &linked(),
    )
}

fn mistakes(text: &str) -> Vec<String> {
    read(text, &[])
        .expect_err("mistakes")
        .0
        .iter()
        .map(Mistake::to_string)
        .collect()
}

/// A file in which nothing is wrong, to put something wrong into.
const GOOD: &str = "local_domains = [\"example.org\"]\n[[listen]]\nname = \"mx\"\nbind = \"127.0.0.1:25\"\ndirection = \"inbound\"\n[route.default]\nupstream = \"127.0.0.1:10025\"\n";

#[test]
fn the_embedded_defaults_are_a_proxy_on_loopback() {
    let loaded = load(&Sources::default(), &linked()).expect("no mistake");
    assert_eq!(loaded.warnings, []);
    let config = loaded.config;
    assert!(
        config
            .listen
            .iter()
            .all(|listen| listen.bind.iter().all(|bind| bind.0.ip().is_loopback()))
    );
    assert_eq!(
        config.listen.iter().map(|listen| listen.direction).collect::<Vec<_>>(),
        [Direction::Inbound, Direction::Outbound]
    );
    assert_eq!(
        config.tiers("inbound"),
        [
            vec!["command_mailbox"],
            vec!["conduct", "dnsbl", "spf_dkim_dmarc", "whitelist", "resend"],
            vec!["greylist"],
            vec!["bayes", "hmm", "ngram"],
            vec!["attachments"]
        ]
    );
    assert_eq!(
        config.route["default"].upstream.maildir(),
        Some(Path::new("./gatepost-data/maildir"))
    );
    assert_eq!(config.data_dir, Config::default().data_dir);
    assert_eq!(config.admin.bind, Config::default().admin.bind);
    assert!(config.hostname().contains(|c: char| c != '.'));
}

#[test]
fn the_example_has_no_mistake() {
    let loaded = read(include_str!("../../../../fixtures/config/gatepost.toml"), &[])
        .unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.hostname(), "mx.example.org");
    assert_eq!(
        loaded.config.listen[0].line_ends("192.0.2.17".parse().unwrap()).1,
        LineEnds::Normalise
    );
}

#[test]
fn a_file_takes_no_domain_and_no_door_of_the_trial() {
    let config = read(GOOD, &[]).unwrap().config;
    assert_eq!(config.listen.len(), 1);
    assert_eq!(
        config.tiers("inbound"),
        [
            vec!["command_mailbox"],
            vec!["conduct", "dnsbl", "spf_dkim_dmarc", "whitelist", "resend"],
            vec!["greylist"],
            vec!["bayes", "hmm", "ngram"],
            vec!["attachments"]
        ]
    );
    assert_eq!(config.filter("greylist").mode, Mode::Enforce);
    assert_eq!(
        config.filter("dnsbl").mode,
        Mode::Monitor,
        "until the operator says otherwise"
    );
    assert_eq!(config.filter("clamav").on_fault, OnFault::Defer, "in a tier or not");
    let text = mistakes("data_dir = \"x\"\n");
    assert!(text.iter().any(|line| line.contains("no listener")), "{text:?}");
}

#[test]
fn a_variable_overrides_the_file() {
    let file = format!("{GOOD}[filters.conduct]\nmode = \"monitor\"\noptions = {{ tries = 2 }}\n");
    let variables = [
        ("GATEPOST_FILTERS__CONDUCT__MODE", "score"),
        ("GATEPOST_FILTERS__CONDUCT__OPTIONS__TRIES", "5"),
        ("GATEPOST_LOCAL_DOMAINS", "[\"example.net\", .example.com]"),
        ("GATEPOST_HOSTNAME", "MX.example.net"),
        ("GATEPOST_CONFIG", "not.a.key"),
    ];
    let config = read(&file, &variables)
        .unwrap_or_else(|mistakes| panic!("{mistakes}"))
        .config;
    assert_eq!(config.filter("conduct").mode, Mode::Score);
    assert_eq!(config.filter("conduct").options["tries"], 5);
    assert_eq!(
        config
            .local_domains
            .iter()
            .map(LocalDomain::to_string)
            .collect::<Vec<_>>(),
        ["example.net", ".example.com"]
    );
    assert_eq!(config.hostname(), "mx.example.net");
}

#[test]
fn a_mistake_in_a_variable_names_the_variable() {
    let told = read(
        GOOD,
        &[
            ("GATEPOST_LOG__LEVEL", "debgu"),
            ("GATEPOST_COLOUR", "red"),
            ("GATEPOST_DRAIN", "5"),
            ("GATEPOST_LISTEN", "[{name=a, bind=\"[::]:25\", direction=out}]"),
        ],
    );
    let told: Vec<String> = told.expect_err("mistakes").0.iter().map(Mistake::to_string).collect();
    for start in [
        "environment variable GATEPOST_COLOUR: colour: unknown key",
        "environment variable GATEPOST_DRAIN: drain: expected a duration such as \"5m\", found the number 5",
        "environment variable GATEPOST_LISTEN: listen[0].direction: expected \"inbound\" or \"outbound\", found \"out\"",
        "environment variable GATEPOST_LOG__LEVEL: log.level: expected",
    ] {
        assert!(told.iter().any(|line| line.starts_with(start)), "{start}\nin {told:#?}");
    }
    assert!(
        told.iter().any(|line| line.ends_with("did you mean \"debug\"?")),
        "{told:#?}"
    );
}

#[test]
fn relays_stand_on_inbound_listeners_and_are_never_everybody() {
    let config = |direction: &str, relays: &str| {
        let text = format!(
            "local_domains = [\"example.org\"]\nroute.default.upstream = \"192.0.2.9:25\"\n[[listen]]\nname = \"mx\"\n\
             bind = \"127.0.0.1:2525\"\ndirection = \"{direction}\"\ntrusted_relays = [{relays}]\n\
             trusted_networks = [{}]\n",
            if direction == "outbound" { "\"127.0.0.0/8\"" } else { "" }
        );
        read(&text, &[]).map_err(|mistakes| format!("{:?}", mistakes.0))
    };
    let read = config("inbound", "\"192.0.2.10\", \"2001:db8::/64\"").expect("no mistake");
    assert_eq!(read.config.listen[0].trusted_relays.len(), 2);
    assert!(
        config("inbound", "\"0.0.0.0/0\"")
            .expect_err("a mistake")
            .contains("whole Internet")
    );
    assert!(
        config("outbound", "\"192.0.2.10\"")
            .expect_err("a mistake")
            .contains("bring mail from the world")
    );
}

/// Each line that ends in `# !` holds a mistake, and what stands behind that must be told of it.
const TWELVE: &str = r#"hostname = "mx_.example.org:25"               # ! expected a host name
local_domain = ["example.org"]                # ! did you mean `local_domains`?
local_domains = ["example.org", "exa mple.org"] # ! expected a domain
[[listen]]
name = "mx"
bind = ["0.0.0.0:25", "0.0.0.0:smtp"]         # ! expected an address and port
direction = "inbond"                          # ! did you mean "inbound"?
[[listen]]
name = "submission"
bind = "127.0.0.1:587"
direction = "outbound"
auth = true                                   # ! plaintext
[[listen]]
name = "submission"                           # ! another listener
bind = "127.0.0.1:588"
direction = "outbound"
trusted_networks = ["0.0.0.0/0"]              # ! whole Internet
route = "defualt"                             # ! did you mean `default`?
[route.default]
upstream = "localhost:587"                    # ! in circles
[policy.low]
threshold = 20
[policy.medium]
action = "bounce"                             # ! expected "none"
[pipeline.inbound]
tiers = [["conduct"],
         ["viruses", "conduct"]]              # ! no filter `viruses` # already
[filters.conduct]
on_falt = "mark"                              # ! did you mean `on_fault`?
patience = "5 minuts"                         # ! expected a duration such as "5m", found "5 minuts"
[filters.conduct.options]
delay = 5                                     # ! expected a duration such as "5m", found the number 5
tries = 12                                    # ! from 1 to 9, found 12
names = ["a", ""]                             # ! expected a name, found nothing
[filters.dull.options]
colour = 1                                    # ! unknown key
[admin]
bind = "0.0.0.0:9925"                         # ! not loopback
[limits]
recipients = 10                               # ! from 100 to 10000
message_size = "1 kB"                         # ! expected 64 KiB or more
[timeouts]
command = "0s"                                # ! more than no time
"#;

#[test]
fn all_mistakes_are_told_at_once_each_in_its_line() {
    let told = read(TWELVE, &[]).expect_err("mistakes").0;
    let all = told.iter().map(Mistake::to_string).collect::<Vec<_>>().join("\n");
    let mut wanted = 0;
    for (n, line) in TWELVE.lines().enumerate() {
        let here: Vec<String> = told
            .iter()
            .filter(|mistake| matches!(&mistake.place, Place::Text { line, .. } if *line == n + 1))
            .map(Mistake::to_string)
            .collect();
        let words: Vec<&str> = line
            .split_once("# ! ")
            .map(|(_, words)| words.split(" # ").map(str::trim).collect())
            .unwrap_or_default();
        wanted += words.len();
        for word in &words {
            assert!(
                here.iter().any(|text| text.contains(word)),
                "line {}: {word}\nin\n{all}",
                n + 1
            );
        }
        // Thresholds are a matter of two lines.
        assert!(
            here.len() <= words.len() || line.starts_with("[policy.medium]"),
            "line {}: {here:#?}",
            n + 1
        );
    }
    assert!(wanted >= 12);
    assert!(
        all.contains(
            "gatepost.toml:32:9: filters.conduct.options.delay: expected a duration such as \"5m\", found the number 5"
        ),
        "{all}"
    );
}

#[test]
fn a_syntax_error_has_a_line() {
    let told = mistakes("local_domains = [\n\"a.example\"\nhostname = 5\n");
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("gatepost.toml:3:"), "{told:?}");
    assert!(told[0].contains("this is no TOML"), "{told:?}");
}

#[test]
fn a_filter_that_is_not_linked_is_answered_with_those_that_are() {
    let told = mistakes(&format!(
        "{GOOD}[pipeline.inbound]\ntiers = [[\"conducd\"]]\n[filters.viruses]\n"
    ));
    assert!(told[0].ends_with("pipeline.inbound.tiers[0][0]: no filter `conducd` is linked into this binary; did you mean `conduct`?; there are `attachments`, `bayes`, `clamav`, `command_mailbox`, `conduct`, `dnsbl`, `dull`, `greylist`, `hmm`, `icap`, `ngram`, `resend`, `spf_dkim_dmarc`, `whitelist`"), "{told:?}");
    assert!(
        told[1].contains(":10:10: filters.viruses: no filter of this name")
            && told[1].ends_with(
                "there are `attachments`, `bayes`, `clamav`, `command_mailbox`, `conduct`, `dnsbl`, `dull`, `greylist`, `hmm`, `icap`, `ngram`, `resend`, `spf_dkim_dmarc`, `whitelist`"
            ),
        "{told:?}"
    );
}

#[test]
fn what_is_hardly_meant_is_a_warning() {
    let file = format!(
        "{GOOD}[filters.dull]\nmode = \"off\"\n[pipeline.spare]\ntiers = []\n[route.spare]\nupstream = \"a.example:25\"\n[domain.\"example.net\"]\n[timeouts]\ncommand = \"1m\"\n"
    );
    let told: Vec<String> = read(&file, &[])
        .unwrap_or_else(|told| panic!("{told}"))
        .warnings
        .iter()
        .map(Mistake::to_string)
        .collect();
    for key in [
        "8:10: warning: filters.dull",
        "10:11: warning: pipeline.spare",
        "12:8: warning: route.spare",
        "14:9: warning: domain.\"example.net\"",
        "16:11: warning: timeouts.command",
    ] {
        assert!(
            told.iter()
                .any(|line| line.starts_with(&format!("gatepost.toml:{key}: "))),
            "{key}\nin {told:#?}"
        );
    }
    assert_eq!(told.len(), 5, "{told:#?}");
}

#[test]
fn command_mailboxes_that_anybody_sees_or_nobody_uses_are_told() {
    let outbound = "[[listen]]\nname = \"out\"\nbind = \"127.0.0.1:587\"\ndirection = \"outbound\"\ntrusted_networks = [\"127.0.0.0/8\"]\n";
    let warnings = |file: &str| -> Vec<String> {
        let loaded = read(file, &[]).unwrap_or_else(|told| panic!("{told}"));
        loaded.warnings.iter().map(Mistake::to_string).collect()
    };
    let both = GOOD.replace("[route.default]", &format!("{outbound}[route.default]"));
    assert_eq!(warnings(&both), [] as [String; 0]);
    let seen = warnings(&format!("{both}[pipeline.inbound]\ntiers = [[\"conduct\"]]\n"));
    assert!(
        seen.len() == 1 && seen[0].contains("pipeline.inbound: `command_mailbox` is in a pipeline of your own people"),
        "{seen:?}"
    );
    let unused = warnings(&format!("{both}[filters.command_mailbox]\nmode = \"score\"\n"));
    assert!(
        unused.len() == 1 && unused[0].contains("open only in mode `enforce`"),
        "{unused:?}"
    );
    let reach = "[filters.command_mailbox.options]\nwhite_reach = \"site\"\n";
    let alone = warnings(&format!("{both}[desk]\nusers_welcome = \"domain\"\n{reach}"));
    assert!(
        alone.len() == 1 && alone[0].contains("white_reach: whom a user makes welcome"),
        "{alone:?}"
    );
    let said = warnings(&format!("{both}[desk]\nusers_welcome = \"site\"\n{reach}"));
    assert_eq!(said, [] as [String; 0]);
    let none =
        format!("{both}[pipeline.inbound]\ntiers = [[\"conduct\"]]\n[pipeline.outbound]\ntiers = [[\"conduct\"]]\n");
    assert_eq!(warnings(&none), [] as [String; 0]);
}

#[test]
fn what_filters_of_danger_would_not_look_at_is_a_warning() {
    let told = |more: &str| -> Vec<String> {
        let file = format!("{GOOD}[pipeline.inbound]\ntiers = [[\"attachments\", \"clamav\", \"icap\"]]\n{more}");
        let loaded = read(&file, &[]).unwrap_or_else(|told| panic!("{told}"));
        let mut keys: Vec<String> = loaded.warnings.iter().map(|mistake| mistake.key.clone()).collect();
        keys.sort();
        keys
    };
    assert_eq!(told(""), [""; 0]);
    assert_eq!(
        told(
            "[limits]\nmessage_size = \"50 MiB\"\n[filters.clamav]\npatience = \"20s\"\n[filters.icap]\npatience = \"25s\"\n[filters.attachments]\npatience = \"5s\"\n"
        ),
        [
            "filters.attachments.options.part_megabytes",
            "filters.attachments.options.time",
            "filters.clamav.options.deadline",
            "filters.clamav.options.max_size",
            "filters.icap.options.deadline",
            "filters.icap.options.max_size",
        ]
    );
}

#[test]
fn a_listener_and_a_domain_inherit_what_they_do_not_say() {
    let file = GOOD.replace("[route.default]", "limits = { mails = 7 }\n[route.default]")
        + "[limits]\nrecipients = 200\nmails = 9\n[filters.conduct.options]\ntries = 2\nhelo_points = 4\n[domain.\"Example.ORG\".filters.conduct.options]\ntries = 1\n[domain.\"example.org\".filters.dull]\nmode = \"off\"\n";
    let file = file.replace("Example.ORG", "example.org");
    let config = read(&file, &[]).unwrap_or_else(|told| panic!("{told}")).config;
    let limits = &config.listen[0].limits;
    assert_eq!((limits.mails, limits.recipients, limits.errors), (7, 200, 20));
    let own = &config.domain[&"example.org".parse::<DomainName>().unwrap()].filters;
    assert_eq!(
        own["conduct"]
            .options
            .as_ref()
            .map(|options| (options["tries"].clone(), options["helo_points"].clone())),
        Some((1.into(), 4.into()))
    );
    assert!(own["dull"].options().is_none() && own["dull"].mode == Some(Mode::Off));
}

#[test]
fn a_mistake_in_what_is_inherited_is_told_once() {
    let told = mistakes(&format!(
        "{GOOD}[limits]\nmessage_size = \"25 parsec\"\n[filters.conduct.options]\ndelay = \"x\"\n[domain.\"example.org\".filters.conduct.options]\ntries = 1\n"
    ));
    assert_eq!(told.len(), 2, "{told:#?}");
}

#[test]
fn copies_of_refused_mail_go_to_addresses_of_ours_only() {
    let domain = "[domain.\"example.org\".policy]\n";
    for (text, wrong) in [
        ("[policy]\nspambox = \"spambox@{domain}\"\n".to_owned(), None),
        ("[policy]\nspambox = \"all@Example.org\"\n".to_owned(), None),
        (
            "[policy]\nspambox = \"all@other.example\"\n".to_owned(),
            Some("policy.spambox: other.example is not"),
        ),
        (
            format!("{domain}spambox = \"all@other.example\"\n"),
            Some("policy.spambox: other.example is not"),
        ),
        (
            "[policy.high]\nspambox = \"{who}@{domain}\"\n".to_owned(),
            Some("names what is not known here"),
        ),
        (
            "[policy]\nspambox = \"s@{domain}\"\nkeep_refused = false\n".to_owned(),
            Some("made from what is kept"),
        ),
        (
            "[policy]\nkeep_days = 0\n".to_owned(),
            Some("expected a whole number from 1 to 36500, found 0"),
        ),
        (
            "[post]\nname = \"a <b@c>\"\n".to_owned(),
            Some("post.name: expected 1 to 64 characters"),
        ),
    ] {
        let text = format!("{GOOD}{text}");
        match wrong {
            None => assert!(read(&text, &[]).is_ok(), "{text}"),
            Some(words) => {
                let told = mistakes(&text);
                assert!(told.len() == 1 && told[0].contains(words), "{text}: {told:#?}");
            }
        }
    }
}

#[test]
fn routes_to_ourselves_are_found() {
    for (bind, upstream, circle) in [
        ("127.0.0.1:25", "127.0.0.1:25", true),
        ("0.0.0.0:25", "127.0.0.1:25", true),
        ("[::]:25", "[::1]:25", true),
        ("0.0.0.0:25", "localhost:25", true),
        ("0.0.0.0:25", "mx.example.org:25", true),
        ("127.0.0.1:25", "127.0.0.2:25", false),
        ("0.0.0.0:25", "127.0.0.1:26", false),
        ("0.0.0.0:25", "192.0.2.1:25", false),
        ("0.0.0.0:25", "other.example.org:25", false),
    ] {
        let file = format!("hostname = \"mx.example.org\"\n{GOOD}")
            .replace("127.0.0.1:25", bind)
            .replace("127.0.0.1:10025", upstream);
        assert_eq!(
            read(&file, &[]).is_err_and(|told| told.to_string().contains("in circles")),
            circle,
            "{bind} {upstream}"
        );
    }
}

#[test]
fn tls_needs_files_that_can_be_read() {
    let told = mistakes(&GOOD.replace("direction", "tls = \"starttls\"\ndirection"));
    assert!(
        told[0].starts_with("gatepost.toml:5:7: listen[0].tls: TLS needs certificate and key"),
        "{told:?}"
    );
    let told = mistakes(
        &(GOOD.replace("direction", "tls = \"starttls\"\ndirection")
            + "[tls]\ncertificate = \"/nowhere/a.pem\"\nkey = \"/nowhere/a.key\"\n"),
    );
    assert!(
        told[0].starts_with("gatepost.toml:10:15: tls.certificate: /nowhere/a.pem"),
        "{told:?}"
    );
}

/// All names of properties in a schema.
fn names(schema: &Json, out: &mut Vec<String>) {
    match schema {
        Json::Object(table) => {
            out.extend(
                table
                    .get("properties")
                    .and_then(Json::as_object)
                    .into_iter()
                    .flatten()
                    .map(|(name, _)| name.clone()),
            );
            table.values().for_each(|inner| names(inner, out));
        }
        Json::Array(list) => list.iter().for_each(|inner| names(inner, out)),
        _ => {}
    }
}

#[test]
fn the_reference_explains_every_option() {
    let (schema, reference) = (schema(&linked()), reference(&linked()));
    let mut all = Vec::new();
    names(&schema, &mut all);
    assert!(all.len() > 100);
    for name in all {
        assert!(
            reference.contains(&format!("**`{name}`**"))
                || reference.contains(&format!("{name}]"))
                || reference.contains(&format!("[{name}.")),
            "{name}"
        );
    }
    for text in [
        "`[filters.conduct.options]`",
        "- **`helo_points`** (a number; default `1.5`). Points for a HELO without a dot.",
        "`[[listen]]`",
        "`[[listen.line_ends_for]]`",
        "; required)",
    ] {
        assert!(reference.contains(text), "{text}");
    }
    assert!(!reference.contains("). \n"), "an option without a description");
}

#[test]
fn the_schema_has_no_references_that_the_walk_would_not_follow() {
    assert!(!schema(&linked()).to_string().contains("\"$ref\""));
}

#[test]
fn deep_keys_are_no_trouble() {
    let key = vec!["a"; 5_000].join(".");
    assert!(!mistakes(&format!("{key} = 1\n")).is_empty());
    assert!(!mistakes(&format!("a = {}1{}\n", "[".repeat(5_000), "]".repeat(5_000))).is_empty());
}

#[test]
fn a_path_that_is_too_long_for_a_socket_is_told_with_what_to_do() {
    let mut config = Config {
        data_dir: "/x".repeat(60).into(),
        ..Config::default()
    };
    assert!(config.socket().unwrap_err().contains("name a shorter one"));
    config.desk.socket = Some("/run/gatepost.sock".into());
    assert_eq!(config.socket(), Ok("/run/gatepost.sock".into()));
}

fn lines_are_within(text: &str) -> Result<(), TestCaseError> {
    if let Err(told) = read(text, &[]) {
        prop_assert!(!told.0.is_empty());
        for mistake in told.0 {
            let Place::Text { name, line, column } = &mistake.place else {
                return Err(TestCaseError::fail("no variable is set"));
            };
            let last = if &**name == "gatepost.toml" { text } else { DEFAULTS }
                .split('\n')
                .count();
            prop_assert!((1..=last).contains(line) && *column >= 1, "{mistake}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_text_is_read_or_has_mistakes_with_a_line(text in "\\PC{0,200}|([a-z_.\\[\\]\"= \n#0-9{},]{0,12}(listen|route|filters|conduct|options|=|\\[|\\]|\n|\"|bind|true|5)){0,30}") {
        lines_are_within(&text)?;
    }

    /// Lines of the two good files, mixed.
    #[test]
    fn shuffled_configuration_is_read_or_has_mistakes_with_a_line(picks in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..40)) {
        let lines: Vec<&str> = TWELVE.lines().chain(DEFAULTS.lines()).collect();
        let text: Vec<String> = picks.iter().map(|(line, value)| {
            let (line, value) = (line.get(&lines), value.get(&lines));
            match (line.split_once('='), value.split_once('=')) {
                (Some((key, _)), Some((_, value))) if line.len() % 3 == 0 => format!("{key}={value}"),
                _ => line.to_string(),
            }
        }).collect();
        lines_are_within(&text.join("\n"))?;
    }
}

#[test]
fn a_refusal_that_offers_a_code_which_nobody_takes_is_told() {
    let told = |file: &str| -> Vec<String> {
        let loaded = read(&format!("{GOOD}{file}"), &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        loaded.warnings.iter().map(ToString::to_string).collect()
    };
    let written = "[policy]\nrefusal_with_code = \"{reason}: try {code}\"\n";
    assert_eq!(told(written), Vec::<String>::new());
    let without = told(&format!("{written}[pipeline.inbound]\ntiers = [[\"conduct\"]]\n"));
    assert!(
        without[0].contains("policy.refusal_with_code: never said"),
        "{without:?}"
    );
    let elsewhere = "[pipeline.inbound]\ntiers = [[\"conduct\"]]\n[pipeline.outbound]\ntiers = [[\"resend\"]]\n";
    let elsewhere = told(&format!("{written}{elsewhere}"));
    assert!(
        elsewhere.iter().any(|told| told.contains("never said")),
        "{elsewhere:?}"
    );
    let unheard = told(&format!("{written}[filters.resend]\nmode = \"score\"\n"));
    assert!(unheard[0].contains("mode = \"enforce\""), "{unheard:?}");
    let daily = "[policy]\nrefusal_with_code = \"{reason}: try {day_code}\"\n";
    assert!(told(daily)[0].contains("daily = true"), "{:?}", told(daily));
    let taken = told(&format!("{daily}[filters.resend.options]\ndaily = true\n"));
    assert_eq!(taken, Vec::<String>::new());
    let unknown = told("[policy]\nno_code_for = [\"conduct.forged_*\", \"!condukt.no_date\"]\n");
    assert_eq!(unknown.len(), 1, "{unknown:?}");
    assert!(
        unknown[0].contains("no_code_for") && unknown[0].contains("did you mean `conduct`?"),
        "{unknown:?}"
    );
    let misplaced = mistakes(&format!("{GOOD}[policy]\nrefusal = \"no {{code}}\"\n"));
    assert!(misplaced[0].contains("belong in `refusal_with_code`"), "{misplaced:?}");
}
