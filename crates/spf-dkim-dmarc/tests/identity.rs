//! The service over a zone: mails that another implementation signed with the keys of `fixtures/keys`, whole and changed.

#![allow(clippy::disallowed_methods, reason = "tokio's paused clock is the fake one")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::{
    ArcResult, DkimResult, DmarcPolicy, DmarcResult, Dns, Fault, Helo, Identify, Identity, Lookup, Message, Mx, Path,
    Proof, Sender, Spf, SpfResult, async_trait,
};
use gatepost_spf_dkim_dmarc::{Identifier, Settings};
use gatepost_testkit::{Fakes, Zone};

const KEYS: &str = include_str!("../../../fixtures/dialogues/spf_dkim_dmarc/keys.zone");
const REJECT: &str = "_dmarc.b.example TXT \"v=DMARC1; p=reject\"\n";

macro_rules! mail {
    ($name:literal) => {
        include_bytes!(concat!("../../../fixtures/dialogues/spf_dkim_dmarc/", $name, ".eml")).as_slice()
    };
}

struct House {
    fakes: Fakes,
    settings: Settings,
}

impl House {
    fn new(zone: &str) -> House {
        let zone = Zone::parse(&format!("{KEYS}{zone}")).expect("a zone");
        House {
            fakes: Fakes::with_zone(zone),
            settings: Settings::default(),
        }
    }

    async fn identity_with(&self, mail: &[u8], spf: Spf) -> Identity {
        let service = Identifier::new(&self.fakes.services(), self.settings.clone());
        let message = Arc::new(Message::from_bytes(mail.to_vec()));
        service.identity(&sender(), &spf, &message).await.expect("no fault")
    }

    /// The same where each answer of DNS takes a while.
    async fn identity_slowly(&self, mail: &[u8], spf: Spf) -> Identity {
        let mut services = self.fakes.services();
        services.dns = Arc::new(Slow(services.dns));
        let service = Identifier::new(&services, self.settings.clone());
        let message = Arc::new(Message::from_bytes(mail.to_vec()));
        service.identity(&sender(), &spf, &message).await.expect("no fault")
    }

    async fn identity(&self, mail: &[u8]) -> Identity {
        self.identity_with(mail, Spf::new(SpfResult::None, None, None)).await
    }
}

struct Slow(Arc<dyn Dns>);

impl Slow {
    async fn wait(&self) -> &dyn Dns {
        tokio::time::sleep(Duration::from_millis(50)).await;
        &*self.0
    }
}

#[async_trait]
impl Dns for Slow {
    async fn a(&self, name: &str) -> Result<Lookup<Ipv4Addr>, Fault> {
        self.wait().await.a(name).await
    }
    async fn aaaa(&self, name: &str) -> Result<Lookup<Ipv6Addr>, Fault> {
        self.wait().await.aaaa(name).await
    }
    async fn ptr(&self, address: IpAddr) -> Result<Lookup<Box<str>>, Fault> {
        self.wait().await.ptr(address).await
    }
    async fn txt(&self, name: &str) -> Result<Lookup<Box<[u8]>>, Fault> {
        self.wait().await.txt(name).await
    }
    async fn mx(&self, name: &str) -> Result<Lookup<Mx>, Fault> {
        self.wait().await.mx(name).await
    }
    async fn ns(&self, name: &str) -> Result<Lookup<Box<str>>, Fault> {
        self.wait().await.ns(name).await
    }
}

fn sender() -> Sender {
    let helo = Helo {
        name: "mail.b.example".into(),
        extended: true,
    };
    let from = Path::reverse("ann@b.example", false).expect("a path");
    Sender::new("192.0.2.1".parse().expect("an address"), Some(helo), from)
}

fn told(identity: &Identity) -> Vec<(&str, DkimResult, &str)> {
    let signatures = identity.signatures.iter();
    signatures.map(|one| (&*one.domain, one.result, &*one.reason)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_its_author_signed_proves_to_be_from_there() {
    let house = House::new(REJECT);
    for mail in [mail!("signed"), mail!("signed-simple"), mail!("signed-ed25519")] {
        let identity = house.identity(mail).await;
        assert_eq!(told(&identity), [("b.example", DkimResult::Pass, "")]);
        assert_eq!(
            identity.proven_author().map(ToString::to_string).as_deref(),
            Some("ann@b.example")
        );
        assert_eq!(
            (identity.dmarc, &*identity.reason, identity.policy),
            (DmarcResult::Pass, "DKIM is aligned", Some(DmarcPolicy::Reject))
        );
        assert!(identity.signatures[0].aligned && !identity.spf_aligned && !identity.ambiguous);
        assert_eq!(identity.proven.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_mail_fails() {
    let identity = House::new(REJECT).identity(mail!("changed")).await;
    assert_eq!(
        told(&identity),
        [("b.example", DkimResult::Fail, "the body was changed")]
    );
    assert_eq!((identity.dmarc, identity.aligned), (DmarcResult::Fail, false));
    let other = String::from_utf8(mail!("signed").to_vec()).expect("ASCII");
    let subject = other.replace("Subject: Lunch", "Subject: Money");
    let identity = House::new(REJECT).identity(subject.as_bytes()).await;
    assert_eq!(identity.signatures[0].result, DkimResult::Fail);
    assert!(
        identity.signatures[0]
            .reason
            .contains("not a signature of this header section")
    );
    assert!(identity.proven.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_octet_that_is_no_white_space_is_a_change() {
    let mail = String::from_utf8(mail!("signed").to_vec()).expect("ASCII");
    for odd in ["\x0c", "\r"] {
        let changed = mail.replace("Subject: Lunch", &format!("Subject: {odd}Lunch"));
        assert_ne!(changed, mail);
        let identity = House::new(REJECT).identity(changed.as_bytes()).await;
        assert_eq!(identity.signatures[0].result, DkimResult::Fail, "{odd:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_signature_of_another_proves_the_other_and_not_the_author() {
    let identity = House::new(REJECT).identity(mail!("signed-by-another")).await;
    assert_eq!(identity.signatures[0].result, DkimResult::Pass);
    assert_eq!(
        (identity.dmarc, &*identity.reason),
        (DmarcResult::Fail, "what is proven is of others")
    );
    assert_eq!(identity.proven.len(), 1);
    assert!(identity.proven_author().is_none());
    let two = House::new(REJECT).identity(mail!("signed-by-two")).await;
    assert_eq!(
        told(&two),
        [
            ("b.example", DkimResult::Pass, ""),
            ("other.example", DkimResult::Pass, "")
        ]
    );
    assert_eq!(two.dmarc, DmarcResult::Pass);
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_beyond_the_signed_length_is_no_pass() {
    let identity = House::new(REJECT).identity(mail!("length")).await;
    assert_eq!(
        told(&identity),
        [(
            "b.example",
            DkimResult::Policy,
            "the body goes on beyond what was signed"
        )]
    );
    assert!(!identity.aligned && identity.dmarc == DmarcResult::Fail);
    let whole = String::from_utf8(mail!("length").to_vec()).expect("ASCII");
    let end = whole.find("<a href").expect("an addition");
    let identity = House::new(REJECT).identity(&whole.as_bytes()[..end]).await;
    assert_eq!(identity.dmarc, DmarcResult::Pass, "nothing of it is unsigned");
}

#[tokio::test(start_paused = true)]
async fn several_authors_prove_nothing() {
    for mail in [mail!("two-authors"), mail!("two-from-fields")] {
        let identity = House::new(REJECT).identity(mail).await;
        assert!(
            identity.ambiguous && !identity.aligned && identity.author.is_none(),
            "{identity:?}"
        );
        assert_eq!((identity.dmarc, identity.policy), (DmarcResult::Fail, None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_gone_and_one_that_dns_does_not_tell_are_told_apart() {
    let fakes = Fakes::with_zone(Zone::parse(REJECT).expect("a zone"));
    let house = House {
        fakes,
        settings: Settings::default(),
    };
    let identity = house.identity(mail!("signed")).await;
    assert_eq!(told(&identity), [("b.example", DkimResult::PermError, "no such key")]);
    assert_eq!(identity.dmarc, DmarcResult::Fail);
    for trouble in [
        "SERVFAIL k1._domainkey.b.example\n",
        "TIMEOUT k1._domainkey.b.example\n",
    ] {
        let zone = Zone::parse(&format!("{REJECT}{trouble}")).expect("a zone");
        let house = House {
            fakes: Fakes::with_zone(zone),
            settings: Settings::default(),
        };
        let identity = house.identity(mail!("signed")).await;
        assert_eq!(identity.signatures[0].result, DkimResult::TempError, "{trouble}");
        assert_eq!(
            identity.dmarc,
            DmarcResult::TempError,
            "trouble is never a fail: {trouble}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_dns_that_says_nothing_holds_a_mail_up_no_longer_than_the_deadline() {
    let zone = "TIMEOUT k1._domainkey.b.example\nTIMEOUT _dmarc.b.example\nTIMEOUT _dmarc.example\n";
    let mut house = House {
        fakes: Fakes::with_zone(Zone::parse(zone).expect("a zone")),
        settings: Settings::default(),
    };
    house.settings.deadline = Duration::from_secs(3);
    let before = tokio::time::Instant::now();
    let identity = house.identity(mail!("signed")).await;
    assert_eq!(before.elapsed(), Duration::from_secs(3));
    assert_eq!(
        (identity.dmarc, identity.signatures[0].result),
        (DmarcResult::TempError, DkimResult::TempError)
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_key_of_a_stranger_takes_no_time_from_the_authors_policy() {
    let dead = "DKIM-Signature: v=1; a=rsa-sha256; d=dead.test; s=k1; h=from; bh=YWJj; b=YWJj\r\n";
    let zone = "TIMEOUT k1._domainkey.dead.test\n_dmarc.victim.example TXT \"v=DMARC1; p=none; np=reject\"\n";
    let mail = format!("{dead}From: ceo@x7.victim.example\r\n\r\n");
    let spf = Spf::new(SpfResult::None, None, None);
    let identity = House::new(zone).identity_slowly(mail.as_bytes(), spf.clone()).await;
    assert_eq!(
        (identity.dmarc, identity.policy, identity.unsure),
        (DmarcResult::Fail, Some(DmarcPolicy::Reject), false)
    );
    assert_eq!(identity.signatures[0].result, DkimResult::TempError);
    // Nor does it from what its author signed, be it below the organisation.
    let mail = [dead.as_bytes(), mail!("signed")].concat();
    let identity = House::new(&format!("{zone}{REJECT}"))
        .identity_slowly(&mail, spf.clone())
        .await;
    assert_eq!(identity.dmarc, DmarcResult::Pass);
    let below = String::from_utf8(mail).expect("ASCII");
    let below = below.replace("From: ann@b.example", "From: ann@x.b.example");
    let domain = gatepost_core::Domain::parse("b.example", false).ok();
    let passed = Spf::new(SpfResult::Pass, domain, None);
    let identity = House::new(&format!("{zone}{REJECT}"))
        .identity_slowly(below.as_bytes(), passed)
        .await;
    assert_eq!((identity.dmarc, identity.spf_aligned), (DmarcResult::Pass, true));
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_dns_does_not_tell_leaves_the_very_same_domain_proven() {
    let house = House::new("TIMEOUT _dmarc.b.example\n");
    let identity = house.identity(mail!("signed")).await;
    assert_eq!((identity.dmarc, identity.unsure), (DmarcResult::TempError, true));
    assert!(identity.aligned && identity.signatures[0].aligned);
}

#[tokio::test(start_paused = true)]
async fn spf_proves_the_author_where_it_is_aligned() {
    let house = House::new(REJECT);
    let domain = |name: &str| gatepost_core::Domain::parse(name, false).ok();
    let spf = |result, name| Spf::new(result, domain(name), None);
    let of = |spf| house.identity_with(mail!("forged"), spf);
    let passed = of(spf(SpfResult::Pass, "bounces.B.example")).await;
    assert_eq!((passed.dmarc, &*passed.reason), (DmarcResult::Pass, "SPF is aligned"));
    assert!(passed.spf_aligned && passed.aligned && passed.proven[0].1 == Proof::Spf);
    assert_eq!(of(spf(SpfResult::Pass, "other.example")).await.dmarc, DmarcResult::Fail);
    assert_eq!(of(spf(SpfResult::Fail, "b.example")).await.dmarc, DmarcResult::Fail);
    assert_eq!(
        of(spf(SpfResult::TempError, "b.example")).await.dmarc,
        DmarcResult::TempError
    );
    assert_eq!(
        of(spf(SpfResult::TempError, "other.example")).await.dmarc,
        DmarcResult::Fail
    );
    let strict = House::new("_dmarc.b.example TXT \"v=DMARC1; p=reject; aspf=s\"\n");
    let passed = strict
        .identity_with(mail!("forged"), spf(SpfResult::Pass, "bounces.b.example"))
        .await;
    assert_eq!(passed.dmarc, DmarcResult::Fail);
}

#[tokio::test(start_paused = true)]
async fn where_spf_could_not_be_asked_a_mail_of_the_senders_own_domain_does_not_fail() {
    let house = House::new(REJECT);
    let service = Identifier::new(&house.fakes.services(), house.settings.clone());
    for (from, author, want) in [
        ("ann@b.example", "ann@b.example", DmarcResult::TempError),
        ("ann@bounces.b.example", "ann@b.example", DmarcResult::TempError),
        ("", "ann@b.example", DmarcResult::TempError),
        ("x@evil.test", "ann@b.example", DmarcResult::Fail),
    ] {
        let mut sender = sender().unknown();
        sender.from = Path::reverse(from, false).expect("a path");
        let message = Arc::new(Message::from_bytes(format!("From: {author}\r\n\r\n").into_bytes()));
        let identity = service.identity(&sender, &Spf::default(), &message).await;
        let identity = identity.expect("no fault");
        assert_eq!(identity.dmarc, want, "{from}");
        assert_eq!(identity.unsure, want == DmarcResult::TempError, "{from}");
        assert!(!identity.aligned);
    }
}

#[tokio::test(start_paused = true)]
async fn a_chain_of_a_trusted_sealer_vouches_and_that_of_a_stranger_does_not() {
    let mut house = House::new(REJECT);
    let identity = house.identity(mail!("arc")).await;
    assert_eq!(
        (identity.chain.result, identity.chain.vouches),
        (ArcResult::Unknown, false)
    );
    let asked = house.fakes.zone.asked_for("k1._domainkey.f.example");
    assert_eq!(asked, 0, "the keys of a stranger's chain are not asked for");
    house.settings.every_chain = true;
    let identity = house.identity(mail!("arc")).await;
    assert_eq!(
        (identity.chain.result, identity.chain.vouches),
        (ArcResult::Pass, false)
    );
    house.settings.every_chain = false;
    house.settings.arc_sealers = vec!["F.example".into()];
    let identity = house.identity(mail!("arc")).await;
    assert_eq!((identity.chain.result, identity.chain.vouches), (ArcResult::Pass, true));
    assert_eq!((&*identity.chain.sealer, identity.chain.sets), ("f.example", 1));
    assert_eq!(identity.dmarc, DmarcResult::Fail, "a pass comes from SPF and DKIM only");
    assert!(!identity.aligned && identity.proven.iter().any(|(_, proof)| *proof == Proof::Arc));
    let broken = house.identity(mail!("arc-broken")).await;
    assert_eq!((broken.chain.result, broken.chain.vouches), (ArcResult::Fail, false));
    assert_eq!(&*broken.chain.reason, "the body was changed");
}

#[tokio::test(start_paused = true)]
async fn two_thousand_signatures_cost_five_questions() {
    let house = House::new(REJECT);
    let one = |n: usize| {
        format!(
            "DKIM-Signature: v=1; a=rsa-sha256; d=b.example; s=s{n}; h=from; bh=YWJj; b={}\r\n",
            "A".repeat(20)
        )
    };
    let many: String = (0..2_000).map(one).collect();
    let mail = [many.as_bytes(), mail!("forged")].concat();
    let identity = house.identity(&mail).await;
    assert_eq!(identity.signatures.len(), 5);
    assert!(identity.signatures_left >= 900, "{}", identity.signatures_left);
    assert!(identity.ambiguous, "From lies beyond what is read");
    assert_eq!(house.fakes.zone.asked(), 5);
}

#[tokio::test(start_paused = true)]
async fn the_signature_of_the_author_is_found_among_nine_hundred() {
    let house = House::new(REJECT);
    let one = |n: usize| format!("DKIM-Signature: v=1; a=rsa-sha256; d=x{n}.test; s=k1; h=from; bh=YWJj; b=YWJj\r\n");
    let many: String = (0..900).map(one).collect();
    let mail = [many.as_bytes(), mail!("signed")].concat();
    let identity = house.identity(&mail).await;
    assert_eq!((identity.dmarc, identity.signatures_left), (DmarcResult::Pass, 896));
    assert_eq!(house.fakes.zone.asked(), 6, "five keys and one policy");
}

#[tokio::test(start_paused = true)]
async fn a_domain_of_ten_labels_costs_eight_questions() {
    let house = House::new("_dmarc.i.example TXT \"v=DMARC1; p=quarantine; sp=reject\"\n");
    let mail = b"From: a@a.b.c.d.e.f.g.h.i.example\r\n\r\n";
    let identity = house.identity(mail).await;
    assert_eq!(
        (identity.dmarc, identity.policy),
        (DmarcResult::Fail, Some(DmarcPolicy::Reject))
    );
    assert_eq!(
        identity.published.map(|published| published.domain).as_deref(),
        Some("i.example")
    );
    assert_eq!(house.fakes.zone.asked(), 8);
}

#[tokio::test(start_paused = true)]
async fn each_tag_decides_which_policy_applies() {
    for (zone, author, want) in [
        ("_dmarc.b.example TXT \"v=DMARC1; p=none\"", "b.example", Some("none")),
        (
            "_dmarc.b.example TXT \"v=DMARC1; p=reject; t=y\"",
            "b.example",
            Some("quarantine"),
        ),
        (
            "_dmarc.b.example TXT \"v=DMARC1; p=reject; pct=0; ri=1; zz=1\"",
            "b.example",
            Some("reject"),
        ),
        (
            "_dmarc.b.example TXT \"v=DMARC1; rua=mailto:a@b.example\"",
            "b.example",
            Some("none"),
        ),
        ("_dmarc.b.example TXT \"v=DMARC1; p=bad\"", "b.example", None),
        ("_dmarc.b.example TXT \"p=reject; v=DMARC1\"", "b.example", None),
        (
            "_dmarc.b.example TXT \"v=DMARC1; p=reject\"\n_dmarc.b.example TXT \"v=DMARC1; p=none\"",
            "b.example",
            None,
        ),
        (
            "_dmarc.b.example TXT \"v=DMARC1; p=reject; sp=none; np=quarantine\"\nx.b.example A 192.0.2.1",
            "x.b.example",
            Some("none"),
        ),
        (
            "_dmarc.b.example TXT \"v=DMARC1; p=reject; sp=none; np=quarantine\"",
            "x.b.example",
            Some("quarantine"),
        ),
        (
            "_dmarc.b.example TXT \"v=DMARC1; p=reject\"",
            "x.b.example",
            Some("reject"),
        ),
        (
            "_dmarc.example TXT \"v=DMARC1; psd=y; p=quarantine\"\nb.example A 192.0.2.1",
            "b.example",
            Some("quarantine"),
        ),
        (
            "_dmarc.example TXT \"v=DMARC1; psd=y; p=none; np=reject\"",
            "nowhere.example",
            Some("reject"),
        ),
        (
            "_dmarc.b.example TXT \"v=DMARC1; p=reject; psd=n\"\n_dmarc.example TXT \"v=DMARC1; p=none\"",
            "x.b.example",
            Some("reject"),
        ),
    ] {
        let house = House::new(&format!("{zone}\n"));
        let identity = house.identity(format!("From: a@{author}\r\n\r\n").as_bytes()).await;
        assert_eq!(identity.policy.map(DmarcPolicy::name), want, "{zone}");
        let result = if want.is_some() {
            DmarcResult::Fail
        } else {
            DmarcResult::None
        };
        assert_eq!(identity.dmarc, result, "{zone}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_public_suffix_keeps_neighbours_apart() {
    let house = House::new("_dmarc.example TXT \"v=DMARC1; psd=y; p=reject\"\n");
    let domain = gatepost_core::Domain::parse("other.example", false).ok();
    let identity = house
        .identity_with(b"From: a@b.example\r\n\r\n", Spf::new(SpfResult::Pass, domain, None))
        .await;
    assert_eq!(identity.dmarc, DmarcResult::Fail);
    // Without the suffix both are below one organisation.
    let house = House::new("_dmarc.example TXT \"v=DMARC1; p=reject\"\n");
    let domain = gatepost_core::Domain::parse("other.example", false).ok();
    let identity = house
        .identity_with(b"From: a@b.example\r\n\r\n", Spf::new(SpfResult::Pass, domain, None))
        .await;
    assert_eq!(identity.dmarc, DmarcResult::Pass);
}
