//! The laws, the dialogues, the example of the configuration, and what no dialogue can tell.

use std::sync::Arc;

use gatepost_core::{
    Client, Clock, Code, Context, Direction, Edit, Entry, Envelope, Fault, Filter, List, Login, LoginBy, MailParams,
    Memo, Message, Options, Path, Phase, RcptParams, Reach, Receipt, Recipient, RecipientId, RecipientRecord, Record,
    Request, Visit, Wish,
};
use gatepost_resend::{Config, Resend};
use gatepost_testkit::{Fakes, config, dialogue, laws};

#[test]
fn resend_keeps_the_laws() {
    laws::filter::run::<Resend>();
}

#[test]
fn the_dialogues_go_as_written() {
    dialogue::run_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/dialogues/resend"));
}

#[test]
fn the_example_shows_every_option_with_its_default() {
    let text = include_str!("../../../fixtures/config/resend.toml");
    let read = config::example::<Resend>(text);
    assert_eq!(format!("{read:?}"), format!("{:?}", Config::default()));
}

#[test]
fn what_cannot_be_meant_is_named() {
    for (options, key) in [
        (r#"{"days": 0}"#, "days"),
        (r#"{"days": 31}"#, "days"),
        (r#"{"guesses": 0}"#, "guesses"),
    ] {
        let error = Entry::of::<Resend>().build(read(options), &Fakes::new().services());
        assert_eq!(error.err().map(|error| error.key), Some(key.into()), "{options}");
    }
}

fn read(options: &str) -> Options {
    Options::new(serde_json::from_str(options).expect("a table"))
}

/// Ann's mail to carl, and what becomes of it.
struct Scene {
    fakes: Fakes,
    filter: Arc<dyn Filter>,
    visit: Visit,
    envelope: Envelope,
}

impl Scene {
    fn new(options: &str) -> Scene {
        let fakes = Fakes::new();
        let filter = Entry::of::<Resend>()
            .build(read(options), &fakes.services())
            .expect("it builds");
        let client = Client::new("192.0.2.1".parse().expect("an address"), 1);
        let path = |text| Path::reverse(text, true).expect("a path");
        let mut envelope = Envelope::new(path("ann@b.example"), MailParams::default());
        let to = Recipient::new(RecipientId(0), path("Carl@d.example"), RcptParams::default());
        envelope.recipients.push(to);
        Scene {
            filter,
            visit: Visit::new(Direction::Inbound, "mx".into(), client),
            envelope,
            fakes,
        }
    }

    fn record(&self, fate: &str, reply: &str) -> Record {
        let client = self.visit.client.address;
        let now = self.fakes.clock.now();
        let mut record = Record::new("4xyz".into(), now.millis(), Direction::Inbound, "mx".into(), client, 1);
        let mut row = RecipientRecord::new(RecipientId(0), "Carl@d.example".into());
        (row.fate, row.reply) = (fate.into(), reply.into());
        (record.recipients, record.reply) = (vec![row], reply.into());
        record
    }

    async fn ends(&self, record: &Record) {
        self.ends_with(record, None).await;
    }

    async fn ends_with(&self, record: &Record, mail: Option<&str>) {
        let memo = Memo::new(self.fakes.services().identify);
        let message = mail.map(|mail| Arc::new(Message::from_bytes(mail.as_bytes().to_vec())));
        let cx = Context::new(self.fakes.clock.now(), &self.visit, &memo).with_envelope(&self.envelope);
        self.filter.observe(&cx, record, message.as_ref()).await;
    }

    /// From now on mail comes from another sender.
    fn sent_by(&mut self, sender: &str) {
        self.envelope.from = Path::reverse(sender, true).expect("a path");
    }

    /// The wishes about a mail, and its record as it would be if it were delivered.
    async fn comes(&self, mail: &str) -> (Vec<Wish>, Record) {
        let memo = Memo::new(self.fakes.services().identify);
        let message = Arc::new(Message::from_bytes(mail.as_bytes().to_vec()));
        let cx = Context::new(self.fakes.clock.now(), &self.visit, &memo)
            .with_envelope(&self.envelope)
            .with_message(&message);
        let opinion = self.filter.message(&cx, &message).await.expect("an opinion");
        let mut record = self.record("deliver", "250 2.0.0 Ok");
        let found = opinion.findings().iter();
        record.findings = found
            .map(|finding| gatepost_core::FindingRecord::new("resend", Phase::Message, finding, true))
            .collect();
        if opinion.wishes().iter().any(|(_, _, wish)| *wish == Wish::Exempt) {
            let tags = opinion.findings().iter().map(|finding| finding.tag.clone());
            record.recipients[0].because = tags.collect();
        }
        (
            opinion.wishes().iter().map(|(_, _, wish)| wish.clone()).collect(),
            record,
        )
    }
}

fn code() -> Code {
    Code::of_mail(&Fakes::SEED, "4xyz")
}

#[tokio::test]
async fn a_code_is_good_only_if_the_refusal_told_it() {
    let mail = format!("Subject: hello {}\r\n\r\n", code());
    for (fate, reply, wishes) in [
        ("refuse", format!("554 5.7.1 try the code {} once", code()), 2),
        ("refuse", "554 5.7.1 no".to_owned(), 0),
        ("defer", format!("451 4.7.1 the code {}", code()), 0),
    ] {
        let scene = Scene::new("{}");
        scene.ends(&scene.record(fate, &reply)).await;
        assert_eq!(scene.comes(&mail).await.0.len(), wishes, "{fate} {reply}");
    }
}

#[tokio::test]
async fn mail_of_our_own_people_is_not_looked_at() {
    let mut scene = Scene::new("{}");
    scene
        .ends(&scene.record("refuse", &format!("554 5.7.1 {}", code())))
        .await;
    scene.visit.login = Some(Login::new("ann@b.example", LoginBy::Auth));
    let (wishes, _) = scene.comes(&format!("Subject: {}\r\n\r\n", code())).await;
    assert_eq!(wishes, []);
}

#[tokio::test]
async fn a_code_within_an_encoded_word_is_read_and_stays() {
    let scene = Scene::new("{}");
    scene
        .ends(&scene.record("refuse", &format!("554 5.7.1 {}", code())))
        .await;
    let mail = format!("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_{}?=\r\n\r\n", code());
    let (wishes, _) = scene.comes(&mail).await;
    assert!(wishes.contains(&Wish::Exempt), "{wishes:?}");
    let message = Message::from_bytes(mail.as_bytes().to_vec());
    let edits: gatepost_core::message::Edits = wishes
        .into_iter()
        .filter_map(|wish| match wish {
            Wish::Edit(edit) => Some(edit),
            _ => None,
        })
        .collect();
    assert!(edits.iter().all(|edit| matches!(edit, Edit::SubjectWithout(_))));
    assert!(!edits.apply(&message).touched());
}

#[tokio::test]
async fn whoever_came_in_with_a_code_is_made_welcome_where_that_is_wished() {
    for (options, acts) in [("{}", 0), (r#"{"welcome": true}"#, 1)] {
        let scene = Scene::new(options);
        scene
            .ends(&scene.record("refuse", &format!("554 5.7.1 {}", code())))
            .await;
        let (_, delivered) = scene.comes(&format!("Subject: {}\r\n\r\n", code())).await;
        scene.ends(&delivered).await;
        assert_eq!(scene.fakes.desk.book.len(), acts, "{options}");
        let mut refused = delivered.clone();
        (refused.reply, refused.recipients[0].fate) = ("452 4.3.1 no room".into(), "defer".into());
        scene.ends(&refused).await;
        assert_eq!(scene.fakes.desk.book.len(), acts, "only once it is delivered");
        if acts == 0 {
            continue;
        }
        let add = Request::Add {
            list: List::Allow,
            reach: Reach::Person("carl@d.example".into()),
            entries: vec!["ann@b.example".into()],
        };
        let ourselves = Login::new("resend", LoginBy::Ourselves);
        assert_eq!(scene.fakes.desk.book.all(), [(ourselves, add)]);
        // A desk that refuses or fails keeps nobody's mail.
        scene.fakes.desk.answer(Receipt::Refused("no".into()));
        scene.ends(&delivered).await;
        scene.fakes.desk.book.fail(Some(Fault::Unavailable("no desk")));
        scene.ends(&delivered).await;
    }
}

#[tokio::test]
async fn a_code_brings_no_mail_in_the_name_of_somebody_else() {
    let from = |author: &str| format!("From: {author}\r\nSubject: {}\r\n\r\n", code());
    for (refused, comes, is_let_in) in [
        ("Ann <ann@b.example>", "\"Ann B.\" <ANN@b.example>", true),
        ("Ann <ann@b.example>", "The boss <boss@d.example>", false),
        ("Ann <ann@b.example>", "ann@b.example, boss@d.example", false),
        ("ann@b.example, eve@b.example", "ann@b.example, eve@b.example", true),
        ("ann@b.example, eve@b.example", "ann@b.example, boss@d.example", false),
    ] {
        let scene = Scene::new("{}");
        let record = scene.record("refuse", &format!("554 5.7.1 {}", code()));
        scene.ends_with(&record, Some(&from(refused))).await;
        let (wishes, _) = scene.comes(&from(comes)).await;
        assert_eq!(wishes.contains(&Wish::Exempt), is_let_in, "{refused}, then {comes}");
    }
}

#[tokio::test]
async fn who_stands_behind_srs_is_the_word_of_whoever_wrote_it() {
    let mail = format!("Subject: hello {}\r\n\r\n", code());
    for (sender, is_let_in, acts) in [
        // The forwarder itself, with the tag of another day; whoever it names is not welcomed on its word.
        ("SRS0=bbbb=bb=bank.example=boss@b.example", true, 0),
        ("boss@bank.example", false, 0),
        ("SRS0=bbbb=bb=bank.example=boss@c.example", false, 0),
    ] {
        let mut scene = Scene::new(r#"{"welcome": true}"#);
        scene.sent_by("SRS0=aaaa=aa=bank.example=boss@b.example");
        scene
            .ends(&scene.record("refuse", &format!("554 5.7.1 {}", code())))
            .await;
        scene.sent_by(sender);
        let (wishes, delivered) = scene.comes(&mail).await;
        assert_eq!(wishes.contains(&Wish::Exempt), is_let_in, "{sender}");
        scene.ends(&delivered).await;
        assert_eq!(scene.fakes.desk.book.len(), acts, "{sender}");
    }
}

#[tokio::test]
async fn a_code_that_let_nobody_in_makes_nobody_welcome() {
    let scene = Scene::new(r#"{"welcome": true}"#);
    scene
        .ends(&scene.record("refuse", &format!("554 5.7.1 {}", code())))
        .await;
    let (_, mut delivered) = scene.comes(&format!("Subject: {}\r\n\r\n", code())).await;
    // As in mode `score`: the finding is there, and what it wishes is not done.
    delivered.recipients[0].because.clear();
    scene.ends(&delivered).await;
    assert!(scene.fakes.desk.book.is_empty());
}

#[tokio::test]
async fn who_else_guesses_in_a_network_takes_no_code_from_its_owner() {
    let today = Code::of_day(&Fakes::SEED, Fakes::new().clock.now().secs() / 86_400);
    let mut scene = Scene::new(r#"{"daily": true, "guesses": 3}"#);
    scene
        .ends(&scene.record("refuse", &format!("554 5.7.1 {}", code())))
        .await;
    scene.sent_by("eve@other.example");
    assert_eq!(scene.comes("Subject: aaaa1111 aaaa1112 aaaa1113\r\n\r\n").await.0, []);
    scene.sent_by("bob@b.example");
    let (wishes, _) = scene.comes(&format!("Subject: {today}\r\n\r\n")).await;
    assert_eq!(wishes, [], "the code of the day may have been guessed");
    scene.sent_by("ann@b.example");
    let (wishes, _) = scene.comes(&format!("Subject: {}\r\n\r\n", code())).await;
    assert!(wishes.contains(&Wish::Exempt), "hers is for her alone: {wishes:?}");
}

#[tokio::test]
async fn a_mail_that_one_must_not_get_uses_the_code_up_for_nobody() {
    let mut scene = Scene::new("{}");
    let path = |text| Path::reverse(text, true).expect("a path");
    let to = |id, text| Recipient::new(RecipientId(id), path(text), RcptParams::default());
    let (carl, eve) = (to(0, "carl@d.example"), to(1, "eve@d.example"));
    scene.envelope.recipients = vec![carl.clone(), eve.clone()];
    let mut refused = scene.record("refuse", &format!("554 5.7.1 {}", code()));
    let mut second = refused.recipients[0].clone();
    (second.id, second.to) = (RecipientId(1), "eve@d.example".into());
    refused.recipients.push(second);
    scene.ends(&refused).await;
    let subject = |text: &str| format!("Subject: {text} {}\r\n\r\n", code());
    let mut comes = async |recipients: Vec<Recipient>, text: &str| {
        scene.envelope.recipients = recipients;
        scene.comes(&subject(text)).await.0.contains(&Wish::Exempt)
    };
    assert!(comes(vec![eve.clone()], "first").await);
    assert!(!comes(vec![carl.clone(), eve], "second").await, "Eve has had hers");
    assert!(comes(vec![carl], "third").await, "Carl has not");
}
