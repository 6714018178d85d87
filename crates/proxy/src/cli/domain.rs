//! `gatepost domain`: the domains of customers.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use gatepost_core::{DomainAct, DomainRow, HostRow, Receipt, Request, Setting};
use toml_edit::{Array, Value};

use super::kept::{nothing, remark};
use super::office::{Office, say, tell};
use crate::log::harmless;

/// The priority of a mail server of which none is said, and how far the next one stands behind it.
const PRIORITY_STEP: u32 = 10;

/// What is done with domains.
#[derive(Subcommand, Debug)]
pub enum What {
    /// Puts a domain into the store and into service: all mistakes are told, and nothing is done then.
    Add {
        /// The domain; `.acme.example` is all below that one.
        domain: String,
        #[command(flatten)]
        keys: Keys,
    },
    /// Changes keys of a domain that the store has.
    Set {
        /// The domain.
        domain: String,
        #[command(flatten)]
        keys: Keys,
        /// Takes a key out: as if nothing were said of it.
        #[arg(long, value_name = "KEY")]
        unset: Vec<String>,
    },
    /// Takes a domain out of the store and out of service.
    Remove {
        /// The domain.
        domain: String,
    },
    /// Lists all domains that have something of their own, those of files, too, and how their mail servers are.
    List {
        /// Only those of which a mail server does not answer, or that are not in service.
        #[arg(long)]
        down: bool,
        /// Prints an object of JSON a line.
        #[arg(long)]
        json: bool,
    },
    /// Shows one: its TOML and where that is written, how its mail server is, and what the customer sets up on his side.
    Show {
        /// The domain.
        domain: String,
        /// Prints its TOML and nothing else: a file for the folder.
        #[arg(long)]
        toml: bool,
    },
}

/// TLS towards a mail server.
#[derive(Clone, Copy, ValueEnum, Debug)]
pub enum Tls {
    /// Never.
    None,
    /// Where it is offered.
    Opportunistic,
    /// Or the mail is deferred.
    Required,
    /// Or the mail is deferred; with a valid certificate.
    Verified,
}

/// How a mail server learns the client's address.
#[derive(Clone, Copy, ValueEnum, Debug)]
pub enum Client {
    /// By Received only.
    None,
    /// By XCLIENT.
    Xclient,
    /// By XFORWARD.
    Xforward,
    /// By a PROXY header.
    Proxy,
}

/// What a domain says.
#[derive(Args, Debug)]
pub struct Keys {
    /// A mail server of its own; several in the order in which they are tried: the next one where those before it are away.
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "route")]
    upstream: Vec<String>,
    /// A route of the configuration.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// TLS towards its mail server.
    #[arg(long)]
    tls: Option<Tls>,
    /// The name in the certificate of its mail server.
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// How its mail server learns the client's address.
    #[arg(long)]
    client_address: Option<Client>,
    /// How long mail waits here while its mail server is away.
    #[arg(long, value_name = "TIME")]
    hold: Option<String>,
    /// Its mail is looked at for spam.
    #[arg(long, overrides_with = "no_spam")]
    spam: bool,
    /// It is not.
    #[arg(long, overrides_with = "spam")]
    no_spam: bool,
    /// Strangers wait before their first mail to it is taken.
    #[arg(long, overrides_with = "no_greylist")]
    greylist: bool,
    /// They do not.
    #[arg(long, overrides_with = "greylist")]
    no_greylist: bool,
    /// From where its waiting mail may be asked for (ETRN).
    #[arg(long, value_name = "NETWORK")]
    etrn_from: Vec<String>,
    /// A file of its mailboxes, one a line.
    #[arg(long, value_name = "FILE")]
    recipients_file: Option<String>,
    /// A login that may look after it.
    #[arg(long, value_name = "LOGIN")]
    admin: Vec<String>,
    /// Any key of its table, with a value of TOML: `policy.high.action=hold`, `server.keep.idle=0s`.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// A text as TOML writes it, so that no word is taken for a number.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn list(texts: &[String]) -> String {
    Value::from(texts.iter().collect::<Array>()).to_string()
}

/// Mail servers, each of which is tried where those before it are away.
fn in_order(servers: &[String]) -> String {
    let ranked = (1..).map(|rank| rank * PRIORITY_STEP).zip(servers);
    let texts: Vec<String> = ranked
        .map(|(priority, server)| match priority {
            PRIORITY_STEP => quoted(server),
            _ => format!("{{ to = {}, priority = {priority} }}", quoted(server)),
        })
        .collect();
    format!("[{}]", texts.join(", "))
}

fn word(value: &impl ValueEnum) -> String {
    let name = value.to_possible_value().map(|value| value.get_name().to_owned());
    quoted(&name.unwrap_or_default())
}

impl Keys {
    fn settings(&self) -> Vec<Setting> {
        let text = |text: &Option<String>| text.as_deref().map(quoted);
        let several = |texts: &Vec<String>| (!texts.is_empty()).then(|| list(texts));
        let yes = |yes: bool, no: bool| (yes || no).then(|| yes.to_string());
        let upstream = match self.upstream.as_slice() {
            [] => None,
            [one] => Some(quoted(one)),
            all => Some(in_order(all)),
        };
        let named = [
            ("route", text(&self.route)),
            ("hold", text(&self.hold)),
            ("spam", yes(self.spam, self.no_spam)),
            ("greylist", yes(self.greylist, self.no_greylist)),
            ("etrn_from", several(&self.etrn_from)),
            ("recipients_file", text(&self.recipients_file)),
            ("admins", several(&self.admin)),
            ("server.upstream", upstream),
            ("server.tls", self.tls.as_ref().map(word)),
            ("server.server_name", text(&self.server_name)),
            ("server.client_address", self.client_address.as_ref().map(word)),
        ];
        let named = named
            .into_iter()
            .filter_map(|(key, value)| Some(Setting::new(key, value?)));
        let others = self
            .set
            .iter()
            .map(|(key, value)| Setting::new(key.as_str(), value.as_str()));
        named.chain(others).collect()
    }
}

/// Does it.
pub async fn run(office: &mut Office, what: &What) -> Result<ExitCode, String> {
    let act = match what {
        What::Add { domain, keys } => DomainAct::Add {
            domain: domain.clone(),
            settings: keys.settings(),
        },
        What::Set { domain, keys, unset } => {
            let gone = unset.iter().map(|key| Setting::without(key.as_str()));
            let settings: Vec<Setting> = gone.chain(keys.settings()).collect();
            if settings.is_empty() {
                return Err("nothing to change: name a key, as `--hold 2d` or `--set KEY=VALUE` do".into());
            }
            DomainAct::Set {
                domain: domain.clone(),
                settings,
            }
        }
        What::Remove { domain } => DomainAct::Remove { domain: domain.clone() },
        What::Show { domain, .. } => DomainAct::Show { domain: domain.clone() },
        What::List { .. } => DomainAct::List,
    };
    match (office.submit(Request::Domain(act)).await?, what) {
        (Receipt::Domains(mut rows), What::List { down, json }) => {
            rows.retain(|row| !down || row.left_out.is_some() || row.up == Some(false) || dead(row).next().is_some());
            nothing(rows.is_empty());
            if matches!(office, Office::Here(..)) {
                remark("no daemon runs, so it is not known which mail servers answer");
            }
            for row in &rows {
                let text = match *json {
                    true => serde_json::to_string(row).unwrap_or_default(),
                    false => line(row),
                };
                text.lines().for_each(|line| say(&harmless(line)));
            }
            Ok(ExitCode::SUCCESS)
        }
        (Receipt::Done(change), What::Show { toml: true, .. }) => {
            table(&change.lines).for_each(|line| say(&harmless(line)));
            Ok(ExitCode::SUCCESS)
        }
        (other, _) => Ok(tell(&other)),
    }
}

/// The TOML of a sheet: what stands between the first empty line and what the customer sets up.
fn table(sheet: &[String]) -> impl Iterator<Item = &str> {
    let end = sheet.iter().rposition(|line| line == "What the customer sets up");
    let toml = sheet.iter().take(end.unwrap_or(sheet.len())).map(String::as_str);
    toml.skip_while(|line| !line.is_empty()).skip(1)
}

/// Its mail servers that are down, or have not answered yet.
fn dead(row: &DomainRow) -> impl Iterator<Item = &HostRow> {
    row.hosts.iter().filter(|host| host.is_amiss())
}

/// A domain in one line, and one more for each of its mail servers that is down or silent.
fn line(row: &DomainRow) -> String {
    let some_down = dead(row).next().is_some();
    let state = match (&row.left_out, row.up) {
        (Some(why), _) => format!("NOT IN SERVICE: {}", why.replace('\n', "; ")),
        (None, Some(true)) if some_down => "part".into(),
        (None, Some(true)) => "up".into(),
        (None, Some(false)) => "DOWN".into(),
        (None, None) if row.route.is_empty() => "-".into(),
        (None, None) => "?".into(),
    };
    let way = match (row.route.is_empty(), row.route == row.domain) {
        (true, _) => "as the listener's".to_owned(),
        (false, true) => row.leads.clone(),
        (false, false) => format!("{} ({})", row.leads, row.route),
    };
    let mut line = format!("{:32}  {state:4}  {way:40}  {}", row.domain, row.written);
    for host in dead(row) {
        line += &format!("\n    {}", host.told());
    }
    line
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Line {
        #[command(subcommand)]
        what: What,
    }

    fn settings(line: &str) -> Vec<String> {
        let line = Line::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{error}"));
        let (What::Add { keys, .. } | What::Set { keys, .. }) = line.what else {
            panic!("{line:?}")
        };
        let said = keys.settings().into_iter();
        said.map(|setting| format!("{} = {}", setting.key, setting.value.unwrap_or_default()))
            .collect()
    }

    #[test]
    fn the_table_of_a_sheet_is_a_file_for_the_folder() {
        let toml = "# Ours.\n[domain.\"a.example\"]\n\n[domain.\"a.example\".server]\nupstream = \"a:25\"\n";
        let found = |sheet: String| {
            let lines: Vec<String> = sheet.lines().map(str::to_owned).collect();
            table(&lines).collect::<Vec<_>>().join("\n").trim_end().to_owned() + "\n"
        };
        assert_eq!(
            found(format!(
                "a.example\n  written  x\n\n{toml}\nWhat the customer sets up\n\n  DNS\n"
            )),
            toml
        );
        assert_eq!(found(format!("a.example\n  state    NOT IN SERVICE\n\n{toml}")), toml);
    }

    #[test]
    fn a_dead_host_of_a_set_is_named_with_what_is_wrong() {
        let host = |name: &str, up, why: Option<&str>| {
            let mut row = HostRow::default();
            (row.host, row.up, row.since) = (name.into(), up, Some(90));
            row.why = why.map(Into::into);
            row
        };
        let mut row = DomainRow::default();
        (row.domain, row.route, row.leads) = ("acme.example".into(), "acme.example".into(), "a:25, b:25".into());
        row.up = Some(true);
        row.hosts = vec![host("a:25", Some(true), None), host("b:25", None, None)];
        assert!(
            !line(&row).contains('\n') && line(&row).contains("  up  "),
            "{}",
            line(&row)
        );
        row.hosts.push(host("c:25", Some(false), Some("it hangs up")));
        let told = line(&row);
        assert!(
            told.contains("  part  ") && told.ends_with("\n    c:25  DOWN for 1m 30s: it hangs up"),
            "{told}"
        );
        row.up = Some(false);
        assert!(line(&row).contains("  DOWN  "));
        // One that has just gone silent is not called up.
        row.up = None;
        row.hosts = vec![host("a:25", None, Some(HostRow::NO_ANSWER))];
        assert!(
            line(&row).contains("  ?     ") && line(&row).ends_with("\n    a:25  asked, no answer yet"),
            "{}",
            line(&row)
        );
    }

    #[test]
    fn the_command_line_says_what_a_table_would() {
        assert_eq!(
            settings(
                "domain add acme.example --upstream a.example:25 --upstream b.example:25 --tls verified --client-address \
                 xclient --hold 2d --spam --no-greylist --etrn-from 192.0.2.0/24 --admin ann@acme.example --set \
                 policy.high.action=hold"
            ),
            [
                "hold = \"2d\"",
                "spam = true",
                "greylist = false",
                "etrn_from = [\"192.0.2.0/24\"]",
                "admins = [\"ann@acme.example\"]",
                "server.upstream = [\"a.example:25\", { to = \"b.example:25\", priority = 20 }]",
                "server.tls = \"verified\"",
                "server.client_address = \"xclient\"",
                "policy.high.action = hold",
            ]
        );
        assert_eq!(
            settings("domain set a.example --route 5 --spam --no-spam"),
            ["route = \"5\"", "spam = false"]
        );
        assert_eq!(
            settings("domain add a.example --upstream a:25"),
            ["server.upstream = \"a:25\""]
        );
        assert!(Line::try_parse_from(["domain", "add", "a.example", "--upstream", "a:25", "--route", "b"]).is_err());
        assert!(Line::try_parse_from(["domain", "set", "a.example", "--set", "novalue"]).is_err());
    }
}
