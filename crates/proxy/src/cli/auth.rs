//! `gatepost check-auth`: what SPF, DKIM, ARC and DMARC say of a mail, each with its reason.
//!
//! It asks DNS and nobody else. Every chain of ARC is verified; whose word counts is `identity.arc_sealers`, where the
//! configuration was read.

use std::fmt::Write as _;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use gatepost_core::{
    Compute, DmarcPolicy, Helo, Identify, Identity, Message, Path, Seed, Sender, Services, Spf, SpfResult,
};
use gatepost_spf_dkim_dmarc::{Identifier, Settings};
use serde_json::{Value, json};

use super::replay::{canonical, reverse};
use super::resolver::{Asking, Server};
use crate::clock::SystemClock;
use crate::config::{Loaded, Mistakes};
use crate::log::harmless;
use crate::threads::Cores;

/// The most octets of a mail that are read.
const MAIL_MAX: u64 = 1 << 30;
/// How long each answer may wait for DNS.
const DEADLINE: Duration = Duration::from_secs(10);

/// The mail and who brought it.
#[derive(Args, Debug)]
pub(super) struct Mail {
    /// The mail, a file with header and body; - for standard input.
    file: PathBuf,
    /// The client's address; without it SPF is not asked.
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// What the client calls itself.
    #[arg(long, value_name = "NAME", default_value = "unknown", allow_hyphen_values = true)]
    helo: String,
    /// The envelope sender; empty for the null sender.
    #[arg(long, value_name = "ADDRESS", default_value = "", value_parser = reverse, allow_hyphen_values = true)]
    from: Path,
    /// Prints one object of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

/// Reads, asks, and prints.
pub(super) fn run(mail: &Mail, find: impl FnOnce() -> Result<Loaded, Mistakes>) -> Result<ExitCode, Mistakes> {
    let octets = match read(&mail.file) {
        Ok(octets) => octets,
        Err(why) => return Ok(super::failed(&why)),
    };
    mail.server
        .ask(find, async |asking| match told(mail, octets, asking).await {
            Ok(text) => super::say(&text),
            Err(why) => super::failed(&why),
        })
}

fn read(file: &std::path::Path) -> Result<Vec<u8>, String> {
    let wrong = |error: std::io::Error| format!("{}: cannot be read: {error}", file.display());
    let mut octets = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin()
            .lock()
            .take(MAIL_MAX)
            .read_to_end(&mut octets)
            .map_err(wrong)?;
    } else {
        let opened = std::fs::File::open(file).map_err(wrong)?;
        opened.take(MAIL_MAX).read_to_end(&mut octets).map_err(wrong)?;
    }
    Ok(octets)
}

async fn told(mail: &Mail, octets: Vec<u8>, asking: Asking) -> Result<String, String> {
    let mut services = Services::null(Arc::new(SystemClock::new()), Seed::new([0; 16]));
    services.dns = Arc::new(asking.dns);
    services.compute = Compute::new(Arc::new(Cores::new(1)));
    let settings = Settings {
        hostname: asking.receiver,
        deadline: DEADLINE,
        arc_sealers: asking.arc_sealers,
        every_chain: true,
    };
    let service = Identifier::new(&services, settings);
    let helo = Helo {
        name: mail.helo.as_str().into(),
        extended: true,
    };
    let nobody = IpAddr::from([0, 0, 0, 0]);
    let sender = Sender::new(mail.ip.unwrap_or(nobody).to_canonical(), Some(helo), mail.from.clone());
    let spf = match mail.ip {
        Some(_) => service.spf(&sender).await.map_err(|fault| fault.to_string())?,
        None => Spf::new(SpfResult::None, None, None).because("no --ip: nobody was asked about", None),
    };
    let message = Arc::new(Message::from_bytes(canonical(&octets)));
    let identity = service.identity(&sender, &spf, &message).await;
    let identity = identity.map_err(|fault| fault.to_string())?;
    Ok(if mail.json {
        object(&spf, &identity).to_string()
    } else {
        lines(&spf, &identity)
    })
}

/// One object with all of it.
pub(super) fn object(spf: &Spf, identity: &Identity) -> Value {
    let dkim = identity.signatures.iter().map(|one| {
        json!({
            "result": one.result.name(), "reason": &*one.reason, "domain": &*one.domain, "selector": &*one.selector,
            "algorithm": &*one.algorithm, "aligned": one.aligned,
        })
    });
    let chain = &identity.chain;
    json!({
        "spf": {
            "result": spf.result.name(), "reason": &*spf.reason, "explanation": spf.explanation.as_deref(),
            "domain": spf.domain.as_ref().map(ToString::to_string), "scope": spf.scope, "aligned": identity.spf_aligned,
        },
        "dkim": dkim.collect::<Vec<_>>(),
        "dkim_left": identity.signatures_left,
        "arc": {
            "result": chain.result.name(), "reason": &*chain.reason, "sets": chain.sets, "sealer": &*chain.sealer,
            "vouches": chain.vouches,
        },
        "dmarc": {
            "result": identity.dmarc.name(), "reason": &*identity.reason, "policy": identity.policy.map(DmarcPolicy::name),
            "from": identity.author.as_ref().map(|author| author.domain().to_string()),
            "published": &identity.published, "aligned": identity.aligned, "spf_aligned": identity.spf_aligned,
            "dkim_aligned": identity.signatures.iter().any(|one| one.aligned),
        },
    })
}

/// A line for each of them.
pub(super) fn lines(spf: &Spf, identity: &Identity) -> String {
    let mut out = String::new();
    let mut line = |head: String, words: &[&str]| {
        let words: Vec<&str> = words.iter().copied().filter(|word| !word.is_empty()).collect();
        let text = if words.is_empty() {
            head
        } else {
            format!("{head}  {}", words.join("; "))
        };
        // Infallible: it is a string.
        let _ = writeln!(out, "{}", harmless(&text));
    };
    let domain = spf.domain.as_ref().map(ToString::to_string).unwrap_or_default();
    let explained = spf
        .explanation
        .as_deref()
        .map(|words| format!("they say: {words}"))
        .unwrap_or_default();
    let aligned = |aligned| if aligned { "aligned" } else { "" };
    line(
        format!("spf={}", spf.result.name()),
        &[&domain, &spf.reason, &explained, aligned(identity.spf_aligned)],
    );
    for one in &identity.signatures {
        let who = format!("{} {} {}", one.domain, one.selector, one.algorithm);
        line(
            format!("dkim={}", one.result.name()),
            &[who.trim(), &one.reason, aligned(one.aligned)],
        );
    }
    if identity.signatures.is_empty() {
        line("dkim=none".into(), &["there is no signature"]);
    }
    if identity.signatures_left > 0 {
        line(
            "dkim".into(),
            &[&format!(
                "{} more signatures are not looked at",
                identity.signatures_left
            )],
        );
    }
    let chain = &identity.chain;
    let sets = match chain.sets {
        0 => String::new(),
        sets => format!("{sets} sets, the last by {}", chain.sealer),
    };
    let vouches = if chain.vouches { "it vouches for the author" } else { "" };
    line(format!("arc={}", chain.result.name()), &[&sets, &chain.reason, vouches]);
    let author = identity
        .author
        .as_ref()
        .map(|author| author.domain().to_string())
        .unwrap_or_default();
    let policy = match (&identity.policy, &identity.published) {
        (Some(policy), Some(published)) => format!(
            "policy {} from {}, adkim={} aspf={}{}",
            policy.name(),
            published.domain,
            format!("{:?}", published.adkim).to_lowercase(),
            format!("{:?}", published.aspf).to_lowercase(),
            if published.testing { ", in test" } else { "" }
        ),
        _ => String::new(),
    };
    line(
        format!("dmarc={}", identity.dmarc.name()),
        &[&author, &identity.reason, &policy, aligned(identity.aligned)],
    );
    out
}
