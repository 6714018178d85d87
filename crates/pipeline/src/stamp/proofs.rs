//! What is proven, as readers behind us find it on the mail: Authentication-Results and Received-SPF.
//!
//! They stand below our Received, on what strangers sent. What matters most comes first, so that it has room.

use gatepost_core::message::{Field, Results, results};
use gatepost_core::{ArcResult, DmarcResult, Identity, Spf, SpfResult, SpfScope};

use super::Stamp;

/// The fields; none where nobody looked.
pub(super) fn fields(stamp: &Stamp<'_>) -> Vec<Field> {
    let spf = stamp.spf.filter(|spf| spf.result != SpfResult::Unknown);
    let identity = stamp.identity.filter(|identity| identity.dmarc != DmarcResult::Unknown);
    if spf.is_none() && identity.is_none() {
        return Vec::new();
    }
    let mut told = Results::new(&stamp.ours.authserv_id);
    if let Some(spf) = spf {
        let (property, value) = checked(stamp, spf);
        told.add(
            "spf",
            spf.result.name(),
            &[("reason", failing(spf)), (property, &value)],
        );
    }
    if let Some(identity) = identity {
        add_identity(&mut told, stamp, identity);
    }
    let field = spf.map(|spf| received_spf(stamp, spf));
    std::iter::once(told.field()).chain(field).collect()
}

/// Why SPF does not pass.
fn failing(spf: &Spf) -> &str {
    if spf.result == SpfResult::Pass { "" } else { &spf.reason }
}

/// What SPF was asked about.
fn checked(stamp: &Stamp<'_>, spf: &Spf) -> (&'static str, String) {
    match spf.scope {
        SpfScope::Mfrom => ("smtp.mailfrom", stamp.envelope.from.to_string()),
        SpfScope::Helo => ("smtp.helo", helo(stamp).to_owned()),
    }
}

fn helo<'a>(stamp: &Stamp<'a>) -> &'a str {
    stamp.visit.helo_to_judge().map_or("", |helo| &helo.name)
}

fn add_identity(told: &mut Results, stamp: &Stamp<'_>, identity: &Identity) {
    let author = identity
        .author
        .as_ref()
        .map(|author| author.domain().key())
        .unwrap_or_default();
    let (policy, at) = match (&identity.policy, &identity.published) {
        (Some(policy), Some(published)) => (policy.name(), &*published.domain),
        _ => ("", ""),
    };
    let why = match identity.dmarc {
        DmarcResult::Pass => "",
        _ => &identity.reason,
    };
    told.add(
        "dmarc",
        identity.dmarc.name(),
        &[
            ("reason", why),
            ("header.from", &author),
            ("polrec.p", policy),
            ("polrec.domain", at),
        ],
    );
    for one in &identity.signatures {
        told.add(
            "dkim",
            one.result.name(),
            &[
                ("reason", &one.reason),
                ("header.d", &one.domain),
                ("header.s", &one.selector),
                ("header.a", &one.algorithm),
                ("header.b", &one.mark),
            ],
        );
    }
    if identity.signatures.is_empty() {
        told.add("dkim", "none", &[]);
    }
    if !matches!(identity.chain.result, ArcResult::Unknown | ArcResult::None) {
        let origin = stamp.visit.origin.to_string();
        let chain = &identity.chain;
        told.add(
            "arc",
            chain.result.name(),
            &[("reason", &chain.reason), ("smtp.remote-ip", &origin)],
        );
    }
}

fn received_spf(stamp: &Stamp<'_>, spf: &Spf) -> Field {
    let client = stamp.visit.origin.to_string();
    let sender = stamp.envelope.from.to_string();
    let identity = match spf.scope {
        SpfScope::Mfrom => "mailfrom",
        SpfScope::Helo => "helo",
    };
    let domain = spf.domain.as_ref().map(ToString::to_string).unwrap_or_default();
    let why = [&*stamp.ours.hostname, &domain, &spf.reason];
    let why: Vec<&str> = why.into_iter().filter(|word| !word.is_empty()).collect();
    results::received_spf(
        spf.result.name(),
        &why.join(": "),
        &[
            ("client-ip", &client),
            ("envelope-from", &sender),
            ("helo", helo(stamp)),
            ("receiver", &stamp.ours.hostname),
            ("identity", identity),
        ],
    )
}

#[cfg(test)]
mod tests {
    use gatepost_core::{
        Address, Chain, Client, Direction, DkimResult, DmarcPolicy, Domain, Envelope, Helo, MailParams, Path,
        Published, Seed, Signature, Visit,
    };

    use super::*;
    use crate::stamp::Ours;

    fn flat(field: &Field) -> String {
        String::from_utf8_lossy(field.as_bytes()).replace("\r\n", "")
    }

    fn written(from: &str, spf: Option<&Spf>, identity: Option<&Identity>) -> Vec<String> {
        let client = Client::new("192.0.2.7".parse().expect("an address"), 4711);
        let mut visit = Visit::new(Direction::Inbound, "mx".into(), client);
        visit.helo = Some(Helo {
            name: "mail(b.example".into(),
            extended: true,
        });
        let from = Path::reverse(from, true).expect("a path");
        let envelope = Envelope::new(from, MailParams::default());
        let ours = Ours::new("mx.d.example");
        let stamp = Stamp {
            ours: &ours,
            visit: &visit,
            envelope: &envelope,
            id: "x1",
            seed: Seed::new([7; 16]),
            at_millis: 0,
            reverse: None,
            spf,
            identity,
        };
        fields(&stamp).iter().map(flat).collect()
    }

    fn identity() -> Identity {
        let mut identity = Identity::unknown();
        identity.author = Address::parse("ann@b.example", false).ok();
        (identity.dmarc, identity.reason) = (DmarcResult::Fail, "nothing is proven".into());
        identity.policy = Some(DmarcPolicy::Reject);
        let mut published = Published::default();
        published.domain = "b.example".into();
        identity.published = Some(published);
        let mut signature = Signature::default();
        (signature.domain, signature.selector) = ("b.example".into(), "k1;x".into());
        (signature.result, signature.reason) = (DkimResult::Fail, "the body was changed".into());
        identity.signatures = vec![signature];
        identity
    }

    #[test]
    fn nobody_who_looked_means_no_field() {
        assert_eq!(written("a@b.example", None, None), Vec::<String>::new());
        let (spf, identity) = (Spf::default(), Identity::unknown());
        assert_eq!(
            written("a@b.example", Some(&spf), Some(&identity)),
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_is_proven_is_told_with_its_reasons() {
        let domain = Domain::parse("b.example", false).ok();
        let spf = Spf::new(SpfResult::Fail, domain, None).because("-all matched", None);
        let fields = written("\"a b\"@b.example", Some(&spf), Some(&identity()));
        assert_eq!(
            fields,
            [
                "Authentication-Results: mx.d.example; spf=fail reason=\"-all matched\" \
                 smtp.mailfrom=\"\\\"a b\\\"@b.example\"; dmarc=fail reason=\"nothing is proven\" \
                 header.from=b.example polrec.p=reject polrec.domain=b.example; dkim=fail \
                 reason=\"the body was changed\" header.d=b.example header.s=\"k1;x\"",
                "Received-SPF: fail (mx.d.example: b.example: -all matched) client-ip=192.0.2.7; \
                 envelope-from=\"\\\"a b\\\"@b.example\"; helo=\"mail(b.example\"; receiver=mx.d.example; identity=mailfrom"
            ]
        );
    }

    #[test]
    fn the_null_sender_is_known_by_its_helo() {
        let spf = Spf::new(SpfResult::Pass, Domain::parse("b.example", false).ok(), None)
            .of(SpfScope::Helo)
            .because("a", None);
        let fields = written("", Some(&spf), None);
        assert_eq!(
            fields[0],
            "Authentication-Results: mx.d.example; spf=pass smtp.helo=\"mail(b.example\""
        );
        assert!(
            fields[1].ends_with("receiver=mx.d.example; identity=helo"),
            "{fields:?}"
        );
    }

    #[test]
    fn a_chain_is_told_where_it_was_verified() {
        let mut identity = identity();
        let mut chain = Chain::default();
        (chain.result, chain.sets) = (ArcResult::Pass, 2);
        identity.chain = chain;
        assert!(written("a@b.example", None, Some(&identity))[0].ends_with("; arc=pass smtp.remote-ip=192.0.2.7"));
        identity.signatures.clear();
        assert!(written("a@b.example", None, Some(&identity))[0].contains("; dkim=none; arc=pass"));
    }
}
