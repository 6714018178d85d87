//! The laws, the dialogues, the example of the configuration, and what no dialogue can tell.

use std::sync::Arc;

use gatepost_core::{
    Client, Clock, Code, Context, Direction, Edit, Entry, Envelope, Fault, Filter, List, Login, LoginBy, MailParams, Memo,
    Message, Options, Path, Phase, RcptParams, Reach, Receipt, Recipient, RecipientId, RecipientRecord, Record,
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
        let memo = Memo::new(self.fakes.services().identify);
        let cx = Context::new(self.fakes.clock.now(), &self.visit, &memo).with_envelope(&self.envelope);
        self.filter.observe(&cx, record, None).await;
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
