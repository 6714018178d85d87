//! `gatepost whitelist`: the lists of who is welcome and who is not.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use gatepost_core::{List, Listed, Reach, Receipt, Request, Source};

use super::kept::nothing;
use super::office::{Office, say, tell};
use super::when::shown;
use crate::log::harmless;

/// So many entries go to the desk at once.
const BATCH: usize = 1_000;
/// The largest file of entries.
const FILE_MAX: u64 = 1 << 30;

/// What is done with lists.
#[derive(Subcommand, Debug)]
pub enum Lists {
    /// Shows the entries of a list.
    List {
        #[command(flatten)]
        which: Which,
        /// Prints an object of JSON a line.
        #[arg(long)]
        json: bool,
    },
    /// Puts entries on a list: a@b.example, @b.example, *@b.example, @*.b.example, 192.0.2.0/24.
    Add {
        #[command(flatten)]
        which: Which,
        /// The entries.
        #[arg(required = true)]
        entries: Vec<String>,
    },
    /// Takes entries off a list, and leaves a mark that mail does not teach them again.
    Remove {
        #[command(flatten)]
        which: Which,
        /// The entries.
        #[arg(required = true)]
        entries: Vec<String>,
    },
    /// Puts the entries of a file on lists: what `export` wrote, or an entry a line for the list that is named here.
    Import {
        #[command(flatten)]
        which: Which,
        /// The file; `-` for standard input.
        file: PathBuf,
    },
    /// Prints all entries of all lists, an object of JSON a line; of one person, domain or list where it is named.
    Export {
        #[command(flatten)]
        which: Which,
    },
}

/// Which list, and whose.
#[derive(Args, Debug)]
pub struct Which {
    /// Who is not welcome.
    #[arg(long, conflicts_with_all = ["red", "allow"])]
    deny: bool,
    /// Whose outbound mail teaches the allow list nothing.
    #[arg(long, conflicts_with = "allow")]
    red: bool,
    /// Who is welcome: what is meant where nothing is said.
    #[arg(long)]
    allow: bool,
    /// The list of a domain; of the site where nobody is named.
    #[arg(long, value_name = "DOMAIN", conflicts_with = "person")]
    domain: Option<String>,
    /// The list of a person.
    #[arg(long, value_name = "ADDRESS")]
    person: Option<String>,
    /// The list of the site alone; `list` and `export` show everybody's otherwise.
    #[arg(long, conflicts_with_all = ["domain", "person"])]
    site: bool,
}

impl Which {
    fn list(&self) -> List {
        match self {
            Which { deny: true, .. } => List::Deny,
            Which { red: true, .. } => List::Red,
            _ => List::Allow,
        }
    }

    fn named_list(&self) -> Option<List> {
        (self.deny || self.red || self.allow).then(|| self.list())
    }

    fn named(&self) -> Option<Reach> {
        let domain = self.domain.clone().map(Reach::Domain);
        let person = || self.person.clone().map(Reach::Person);
        domain.or_else(person).or(self.site.then_some(Reach::Site))
    }

    fn reach(&self) -> Reach {
        self.named().unwrap_or(Reach::Site)
    }
}

/// Does it.
pub async fn run(office: &mut Office, what: &Lists, imported: &Imported) -> Result<ExitCode, String> {
    match what {
        Lists::List { which, json } => {
            let mut found = false;
            let print = |listed: &Listed| {
                found = true;
                say(&if *json { line(listed) } else { row(listed) });
            };
            let code = pages(office, which.list(), which.named(), print).await?;
            nothing(!found && code == ExitCode::SUCCESS);
            Ok(code)
        }
        Lists::Add { which, entries } => {
            let (list, reach, entries) = (which.list(), which.reach(), entries.clone());
            Ok(tell(&office.submit(Request::Add { list, reach, entries }).await?))
        }
        Lists::Remove { which, entries } => {
            let (list, reach, entries) = (which.list(), which.reach(), entries.clone());
            Ok(tell(&office.submit(Request::Remove { list, reach, entries }).await?))
        }
        Lists::Export { which } => {
            let lists = which
                .named_list()
                .map_or(vec![List::Allow, List::Deny, List::Red], |list| vec![list]);
            for list in lists {
                let code = pages(office, list, which.named(), |listed| say(&line(listed))).await?;
                if code != ExitCode::SUCCESS {
                    return Ok(code);
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        Lists::Import { which, .. } => import(office, which, imported).await,
    }
}

/// All pages of a list.
async fn pages(
    office: &mut Office,
    list: List,
    reach: Option<Reach>,
    mut print: impl FnMut(&Listed),
) -> Result<ExitCode, String> {
    let mut after = None;
    loop {
        let request = Request::Show {
            list,
            reach: reach.clone(),
            after: after.take(),
            limit: Some(BATCH),
        };
        match office.submit(request).await? {
            Receipt::Done(change) => {
                change.listed.iter().for_each(&mut print);
                match change.next {
                    Some(next) => after = Some(next),
                    None => return Ok(ExitCode::SUCCESS),
                }
            }
            other => return Ok(tell(&other)),
        }
    }
}

fn line(listed: &Listed) -> String {
    harmless(&serde_json::to_string(listed).unwrap_or_default())
}

fn row(listed: &Listed) -> String {
    let reach = match &listed.reach {
        Reach::Site => "the site".to_owned(),
        Reach::Domain(domain) => domain.clone(),
        Reach::Person(person) => person.clone(),
    };
    let source = match listed.source {
        Source::Added => "added",
        Source::Learned => "learned",
        Source::Removed => "removed",
        _ => "?",
    };
    let until = listed
        .until
        .map_or(String::new(), |until| format!(" until {}", shown(until)));
    let by = match listed.by.as_str() {
        "" => String::new(),
        by => format!(" by {by}"),
    };
    harmless(&format!(
        "{}  for {reach}  {source} {}{by}{until}",
        listed.entry,
        shown(listed.since)
    ))
}

/// What a line of a file holds.
fn read(line: &str, which: &Which) -> Result<Option<Either>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    if !line.starts_with('{') {
        return Ok(Some(Either::Entry(line.to_owned())));
    }
    let listed: Listed = serde_json::from_str(line).map_err(|error| error.to_string())?;
    // An entry that silently changed sides would be the worst of surprises.
    let other_list = which.named_list().is_some_and(|named| named != listed.list);
    if other_list || which.named().is_some_and(|named| named != listed.reach) {
        return Err(
            "this line says itself on which list it belongs, and that is not the one named here: name none".into(),
        );
    }
    Ok(Some(Either::Listed(listed)))
}

#[derive(Debug, PartialEq)]
enum Either {
    Entry(String),
    Listed(Listed),
}

/// What a file to import holds.
#[derive(Default)]
pub struct Imported {
    entries: Vec<String>,
    listed: Vec<Listed>,
}

impl Lists {
    /// Reads the file that is to be imported, if one is: before anything is opened, since a pipe may take its time.
    pub fn imported(&self) -> Result<Imported, String> {
        match self {
            Lists::Import { which, file } => Imported::read(which, file),
            _ => Ok(Imported::default()),
        }
    }
}

impl Imported {
    fn read(which: &Which, file: &Path) -> Result<Imported, String> {
        let wrong = |error: std::io::Error| format!("{}: {error}", file.display());
        let mut octets = Vec::new();
        match file.to_str() {
            Some("-") => std::io::stdin()
                .take(FILE_MAX)
                .read_to_end(&mut octets)
                .map_err(wrong)?,
            _ => std::fs::File::open(file)
                .and_then(|opened| opened.take(FILE_MAX).read_to_end(&mut octets))
                .map_err(wrong)?,
        };
        let text = String::from_utf8(octets).map_err(|_| format!("{}: this is no text in UTF-8", file.display()))?;
        let (mut imported, mut mistakes) = (Imported::default(), Vec::new());
        for (number, line) in text.lines().enumerate() {
            match read(line, which) {
                Ok(None) => {}
                Ok(Some(Either::Entry(entry))) => imported.entries.push(entry),
                Ok(Some(Either::Listed(one))) => imported.listed.push(one),
                Err(error) => mistakes.push(format!("{}:{}: {error}", file.display(), number + 1)),
            }
        }
        // All or nothing is begun: half a file would be found out too late.
        if mistakes.is_empty() {
            Ok(imported)
        } else {
            Err(mistakes.join("\n"))
        }
    }
}

async fn import(office: &mut Office, which: &Which, imported: &Imported) -> Result<ExitCode, String> {
    let Imported { entries, listed } = imported;
    let mut code = ExitCode::SUCCESS;
    let mut submit = async |request| {
        let told = tell(&office.submit(request).await?);
        if told != ExitCode::SUCCESS {
            code = told;
        }
        Ok::<_, String>(())
    };
    for batch in listed.chunks(BATCH) {
        submit(Request::Import {
            entries: batch.to_vec(),
        })
        .await?;
    }
    for batch in entries.chunks(BATCH) {
        let (list, reach, entries) = (which.list(), which.reach(), batch.to_vec());
        submit(Request::Add { list, reach, entries }).await?;
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use gatepost_core::Time;

    use super::*;

    fn which(person: Option<&str>) -> Which {
        Which {
            deny: false,
            red: false,
            allow: false,
            domain: None,
            person: person.map(Into::into),
            site: false,
        }
    }

    #[test]
    fn a_file_holds_what_export_wrote_or_plain_entries() {
        let listed = Listed::new(List::Deny, Reach::Site, "@b.example", Time::from_millis(5), "carl");
        assert_eq!(
            read(&line(&listed), &which(None)),
            Ok(Some(Either::Listed(listed.clone())))
        );
        assert!(
            read(&line(&listed), &which(Some("carl@d.example"))).is_err(),
            "it changes no sides"
        );
        assert_eq!(
            read(" a@b.example ", &which(None)),
            Ok(Some(Either::Entry("a@b.example".into())))
        );
        assert_eq!(
            (read("# a", &which(None)), read("", &which(None))),
            (Ok(None), Ok(None))
        );
        assert!(read("{\"list\": 5}", &which(None)).is_err());
    }

    #[test]
    fn a_row_cannot_paint_the_terminal() {
        let listed = Listed::new(List::Deny, Reach::Site, "a\u{1b}[2J@b", Time::ZERO, "");
        assert_eq!(row(&listed), "a\\u001b[2J@b  for the site  added 1970-01-01T00:00:00Z");
    }
}
