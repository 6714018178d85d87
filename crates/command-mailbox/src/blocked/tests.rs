use std::sync::Arc;
use std::time::Duration;

use gatepost_core::{
    Acting, Change, Desk, Direction, Keeping, Kept, KeptId, LoginBy, Message, Path, Post, Query, Receipt, RecipientId,
    RecipientRecord, Record, Released, Request, Score, Services, Site, Tag, Terms, Time, async_trait,
};
use gatepost_testkit::{Book, FakeClock, Fakes, MemoryKept};

use super::*;

const HOUR: u64 = 3_600_000;

/// A desk over an archive in memory: people see what is theirs, `root@d.example` sees everything.
struct Counter {
    kept: Arc<MemoryKept>,
    asked: Book<Request>,
}

impl Counter {
    fn narrowed(&self, by: &Login, query: &Query) -> Result<Query, &'static str> {
        let own = query.recipient.as_deref() == Some(&*by.name);
        match own || (&*by.name == "root@d.example" && by.by == LoginBy::Auth) {
            true => Ok(query.clone()),
            false => Err("not yours"),
        }
    }
}

#[async_trait]
impl Desk for Counter {
    async fn submit(&self, by: &Login, request: Request) -> Result<Receipt, Fault> {
        self.asked.enter(request.clone())?;
        Ok(match &request {
            Request::Find { query } => match self.narrowed(by, query) {
                Ok(query) => {
                    let mut mails = self.kept.list(&query).await?;
                    mails.retain(|mail| !mail.is_dangerous() || &*by.name == "root@d.example");
                    Receipt::Found(mails)
                }
                Err(why) => Receipt::Refused(why.into()),
            },
            Request::Records { query } => match self.narrowed(by, query) {
                Ok(query) => Receipt::Records(self.kept.records(&query).await?),
                Err(why) => Receipt::Refused(why.into()),
            },
            other => panic!("{other:?}"),
        })
    }
}

struct Town {
    fakes: Fakes,
    desk: Arc<Counter>,
    services: Services,
    words: Words,
}

fn town() -> Town {
    let fakes = Fakes::new();
    let desk = Arc::new(Counter {
        kept: fakes.kept.clone(),
        asked: Book::default(),
    });
    let mut services = fakes.services();
    services.desk = desk.clone();
    services.site = Arc::new(Site::new("mx.d.example").with_domains(["d.example"]));
    Town {
        fakes,
        desk,
        services,
        words: Words::shipped().expect("words"),
    }
}

/// What became of a mail, of whom, how long ago.
struct Blocked<'a> {
    to: &'a str,
    fate: &'a str,
    tag: &'static str,
    subject: &'a str,
    hours_ago: u64,
    kept: Option<&'static str>,
}

const SPAM: Blocked<'static> = Blocked {
    to: "carl@d.example",
    fate: "refuse",
    tag: "bayes.odds",
    subject: "win a price",
    hours_ago: 1,
    kept: Some("refused"),
};

impl Town {
    fn house(&self) -> House<'_> {
        House {
            services: &self.services,
            words: &self.words,
            hour: Hour::default(),
            mailbox: "assp-blockreport",
            release: Some("assp-release"),
        }
    }

    async fn block(&self, number: &str, mail: Blocked<'_>) {
        let at = FakeClock::START.millis() - mail.hours_ago * HOUR;
        let client = [192, 0, 2, 1].into();
        let mut record = Record::new(number.into(), at, Direction::Inbound, "mx".into(), client, 25);
        (record.from, record.size) = (Some("x@y.example".into()), 100);
        let mut row = RecipientRecord::new(RecipientId(0), mail.to.into());
        (row.fate, row.score, row.because) = (mail.fate.into(), Score::points(7), vec![Tag::new(mail.tag)]);
        record.recipients.push(row);
        self.fakes.kept.record(&record).await.unwrap();
        let Some(reason) = mail.kept else { return };
        let (from, to) = (
            Path::reverse("x@y.example", false).unwrap(),
            Path::forward(mail.to, true).unwrap(),
        );
        let message = Arc::new(Message::from_bytes(
            format!("Subject: {}\r\n\r\nx\r\n", mail.subject).into_bytes(),
        ));
        let terms = Terms::copy(reason);
        let keeping = Keeping::new(number, Time::from_millis(at), &from, vec![&to], &message, &terms);
        self.fakes.kept.keep(keeping).await.unwrap();
    }

    async fn ask(&self, who: &str, subject: &str, text: &str) -> Vec<Letter> {
        let from = Address::parse(who, true).unwrap();
        let login = Login::new(who, LoginBy::Auth);
        let asked = Asked {
            by: &login,
            from: &from,
            subject,
            text,
            language: "en",
            now: self.services.clock.now(),
        };
        take(self.house(), &asked).await.unwrap()
    }

    async fn run(&self, words: &[&str]) -> Change {
        let operator = Login::new("operator", LoginBy::Operator);
        let acting = Acting::new(&operator, self.services.clock.now());
        let request = Request::Other {
            filter: run::FILTER.into(),
            words: words.iter().map(|word| (*word).into()).collect(),
        };
        handle(self.house(), &acting, &request).await.unwrap().expect("ours")
    }
}

fn only(letters: Vec<Letter>) -> Letter {
    let [letter] = <[Letter; 1]>::try_from(letters).expect("one letter");
    letter
}

#[tokio::test]
async fn a_report_tells_of_each_mail_why_and_how_to_get_it() {
    let site = town();
    site.block("t1", SPAM).await;
    site.block(
        "t2",
        Blocked {
            hours_ago: 5,
            fate: "hold",
            tag: "dnsbl.one",
            kept: Some("held"),
            subject: "two",
            ..SPAM
        },
    )
    .await;
    site.block(
        "t3",
        Blocked {
            hours_ago: 2,
            kept: None,
            tag: "conduct.no_reverse",
            ..SPAM
        },
    )
    .await;
    let letter = only(site.ask("carl@d.example", "", "please").await);
    assert_eq!(
        (letter.to.to_string().as_str(), &*letter.from),
        ("carl@d.example", "assp-blockreport")
    );
    assert!(letter.text.contains(": 3."), "{}", letter.text);
    let row = "2026-01-05 11:00  x@y.example\n    Subject: win a price\n    Reason: It looks like spam.\n    Points: 7\n    \
               Get it: mailto:assp-release@d.example?subject=release%201\n";
    assert!(letter.text.contains(row), "{}", letter.text);
    let at = |text: &str| {
        letter
            .text
            .find(text)
            .unwrap_or_else(|| panic!("{text}: {}", letter.text))
    };
    assert!(
        at("11:00") < at("10:00") && at("10:00") < at("07:00"),
        "the newest first"
    );
    assert_eq!(letter.text.matches("mailto:").count(), 4, "two of two, one is not kept");
    assert!(letter.text.contains("Subject: (not known)"));
    let html = letter.html.expect("HTML");
    assert!(
        html.contains("<a href=\"mailto:assp-release@d.example?subject=release%201\">Get it</a>"),
        "{html}"
    );
    assert_eq!(html.matches("<tr").count(), 3);
    assert!(!html.contains("src=") && !html.contains("http"));
}

#[tokio::test]
async fn only_the_asked_days_and_nothing_left_out_is_told() {
    let site = town();
    site.block("t1", SPAM).await;
    site.block("t2", Blocked { hours_ago: 30, ..SPAM }).await;
    site.block(
        "t3",
        Blocked {
            tag: "whitelist.denied",
            kept: None,
            ..SPAM
        },
    )
    .await;
    site.block(
        "t4",
        Blocked {
            tag: "clamav.found",
            kept: Some("dangerous"),
            subject: "virus",
            ..SPAM
        },
    )
    .await;
    site.block(
        "t5",
        Blocked {
            fate: "deliver",
            kept: None,
            ..SPAM
        },
    )
    .await;
    site.block(
        "t6",
        Blocked {
            to: "eva@d.example",
            ..SPAM
        },
    )
    .await;
    let told = async |subject: &str| only(site.ask("carl@d.example", subject, "").await).text;
    let text = told("1").await;
    assert!(
        text.contains(": 1.") && text.contains("their senders are refused: 2."),
        "{text}"
    );
    let text = told("2").await;
    assert!(text.contains(": 2."), "{text}");
    let text = told("1 price").await;
    assert!(
        text.contains(": 2.") && text.contains("your pattern fits: 1."),
        "viruses are told now: {text}"
    );
    assert!(
        !text.contains("subject=release%203"),
        "and nobody is talked into having them: {text}"
    );
    let text = told("1 (").await;
    assert!(text.contains("no pattern: unclosed group"), "{text}");
    let text = only(site.ask("anna@d.example", "", "").await).text;
    assert!(text.contains("no mail to anna@d.example was held back"), "{text}");
}

#[tokio::test]
async fn what_strangers_wrote_is_harmless() {
    let site = town();
    let subject = "</td><a href=\"http://evil.example/\">&amp; www.evil.example \u{202e}x";
    site.block("t1", Blocked { subject, ..SPAM }).await;
    let letter = only(site.ask("carl@d.example", "", "").await);
    for text in [letter.text.as_str(), letter.html.as_deref().unwrap_or_default()] {
        assert!(
            !text.contains("://") && !text.contains("www.evil") && !text.contains('\u{202e}'),
            "{text}"
        );
    }
    assert!(
        letter
            .html
            .is_some_and(|html| !html.contains("<a href=\"http") && html.contains("&lt;/td&gt;"))
    );
}

#[tokio::test]
async fn nobody_is_told_of_anothers_mail() {
    let site = town();
    site.block(
        "t1",
        Blocked {
            to: "eva@d.example",
            ..SPAM
        },
    )
    .await;
    for line in [
        "eva@d.example=>",
        "*@d.example",
        "*@d.example=>*",
        "carl@d.example=>eva@d.example",
    ] {
        let letter = only(site.ask("carl@d.example", "", line).await);
        assert_eq!(letter.to.to_string(), "carl@d.example");
        assert!(letter.subject.contains("could not do that"), "{line}: {}", letter.text);
        assert!(!letter.text.contains("win a price"), "{line}");
    }
    let letter = only(
        site.ask("root@d.example", "", "eva@d.example=>x@elsewhere.example")
            .await,
    );
    assert!(
        letter.text.contains("x[@]elsewhere[.]example is no address of ours"),
        "{}",
        letter.text
    );
    // A subscription is no way round it.
    site.ask("carl@d.example", "+", "eva@d.example=>").await;
    assert_eq!(site.run(&["list"]).await.lines, Vec::<String>::new());
}

#[tokio::test]
async fn an_administrator_asks_for_others_and_gets_more_links() {
    let site = town();
    site.block(
        "t1",
        Blocked {
            to: "eva@d.example",
            ..SPAM
        },
    )
    .await;
    site.block("t2", SPAM).await;
    site.block(
        "t3",
        Blocked {
            to: "nobody@d.example",
            tag: "policy.unknown_recipient",
            kept: None,
            ..SPAM
        },
    )
    .await;
    let letter = only(site.ask("root@d.example", "", "eva@d.example=>").await);
    for link in [
        "release%201%20for%20eva%40d.example",
        "release%201%20welcome%20for%20eva%40d.example",
        "delete%201%20for%20eva%40d.example",
    ] {
        assert!(letter.text.contains(link), "{link}: {}", letter.text);
    }
    let letter = only(site.ask("root@d.example", "", "*@d.example").await);
    assert!(letter.text.contains("To: eva@d.example") && letter.text.contains("To: carl@d.example"));
    assert!(!letter.text.contains("nobody@"), "mail to nobody is nobody's");
    assert!(!letter.text.contains("Left out"), "and nobody's wish: {}", letter.text);
    site.block(
        "t4",
        Blocked {
            tag: "clamav.found",
            kept: Some("dangerous"),
            subject: "virus",
            ..SPAM
        },
    )
    .await;
    let letter = only(site.ask("root@d.example", "5 nothing", "carl@d.example=>").await);
    assert_eq!(letter.text.matches("subject=release%20").count(), 4, "{}", letter.text);
    let letter = only(
        site.ask("root@d.example", "5 nothing", "carl@d.example=>carl@d.example")
            .await,
    );
    assert!(
        letter.text.contains("virus"),
        "told, and not to be had: {}",
        letter.text
    );
    assert_eq!(letter.text.matches("subject=release%20").count(), 2, "{}", letter.text);
    let letter = only(site.ask("root@d.example", "", "eva@d.example=>carl@d.example").await);
    assert!(
        !letter.text.contains("mailto:"),
        "carl may have nothing of eva's: {}",
        letter.text
    );
    let letters = site.ask("root@d.example", "", "*@d.example=>*").await;
    let to: Vec<String> = letters.iter().map(|letter| letter.to.to_string()).collect();
    assert_eq!(to, ["carl@d.example", "eva@d.example"]);
    assert!(
        letters[1].text.contains("subject=release%201\n"),
        "each with their own links: {}",
        letters[1].text
    );
    let letters = site
        .ask("root@d.example", "", "eva@d.example=>eva@d.example=>3\nsomebody=>\n")
        .await;
    assert_eq!(letters.len(), 2);
    assert!(letters[0].text.contains("could not read this line"));
    assert_eq!(letters[1].to.to_string(), "eva@d.example");
}

#[tokio::test]
async fn a_report_has_a_bound_and_says_what_is_beyond_it() {
    let site = town();
    for n in 0..letter::ROWS_MAX + 7 {
        site.block(&format!("t{n}"), Blocked { kept: None, ..SPAM }).await;
    }
    let letter = only(site.ask("carl@d.example", "", "").await);
    assert!(letter.text.contains("Older ones that are not shown: 7."));
    assert_eq!(
        letter.html.map(|html| html.matches("<tr").count()),
        Some(letter::ROWS_MAX)
    );
}

#[tokio::test]
async fn what_is_left_out_hides_nothing_behind_it() {
    let site = town();
    for n in 0..1_100 {
        let tag = if n < 1_050 { "bayes.odds" } else { "dnsbl.one" };
        let mail = Blocked {
            hours_ago: 1 + u64::from(n >= 1_050),
            tag,
            kept: None,
            ..SPAM
        };
        site.block(&format!("t{n}"), mail).await;
    }
    let letter = only(site.ask("carl@d.example", "5 bayes", "").await);
    assert!(
        letter.text.contains(": 50.") && letter.text.contains("your pattern fits: 1050."),
        "{}",
        letter.text
    );
    let letter = only(site.ask("carl@d.example", "5", "").await);
    assert!(
        letter.text.contains("not shown: 500+."),
        "more than was looked at: {}",
        letter.text
    );
}

#[tokio::test]
async fn a_daily_report_comes_once_a_day_and_only_where_something_was_blocked() {
    let site = town();
    let sent = || site.fakes.post.letters.all().len();
    site.block("t1", SPAM).await;
    let letter = only(site.ask("carl@d.example", "+", "").await);
    assert!(
        letter.text.contains("From now on") && letter.text.contains("win a price"),
        "{}",
        letter.text
    );
    site.run(&["daily"]).await;
    assert_eq!(sent(), 0, "today's is the answer");
    site.fakes.clock.forward(Duration::from_hours(24));
    site.run(&["daily"]).await;
    assert_eq!(sent(), 1);
    let letter = site.fakes.post.letters.all().remove(0);
    assert!(
        letter
            .text
            .contains("To end it, write to assp-blockreport@d.example with nothing but -"),
        "{}",
        letter.text
    );
    site.run(&["daily"]).await;
    assert_eq!(sent(), 1, "once a day");
    site.fakes.clock.forward(Duration::from_hours(24));
    let change = site.run(&["daily"]).await;
    assert_eq!((sent(), change.changed), (1, false), "nothing was blocked");
    let letter = only(site.ask("carl@d.example", "-", "").await);
    assert!(letter.text.contains("has ended"), "{}", letter.text);
    let letter = only(site.ask("carl@d.example", "-", "").await);
    assert!(letter.text.contains("You have no daily report"), "{}", letter.text);
}

#[tokio::test]
async fn a_report_that_could_not_be_sent_comes_later_and_leaves_no_gap() {
    let site = town();
    site.ask("carl@d.example", "+", "").await;
    site.block("t1", SPAM).await;
    site.fakes.clock.forward(Duration::from_hours(24));
    site.fakes
        .post
        .letters
        .fail(Some(Fault::Unavailable("the mail server")));
    let change = site.run(&["daily"]).await;
    assert_eq!((change.lines.len(), change.next), (1, None), "{:?}", change.lines);
    site.fakes.clock.forward(Duration::from_hours(24));
    site.fakes.post.letters.fail(None);
    let change = site.run(&["daily"]).await;
    assert!(change.changed && change.lines.is_empty());
    let letter = site.fakes.post.letters.all().remove(0);
    assert!(letter.text.contains("win a price"), "of two days: {}", letter.text);
}

/// A post whose mail server has the letter, and never says so.
struct Silent;

#[async_trait]
impl Post for Silent {
    async fn send(&self, _: Letter) -> Result<(), Fault> {
        std::future::pending().await
    }
    async fn release(&self, _: &KeptId, _: &Address, _: &Login) -> Result<Released, Fault> {
        Err(Fault::Unavailable("not asked here"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_that_a_slow_mail_server_may_have_is_not_sent_twice() {
    let mut site = town();
    site.ask("carl@d.example", "+", "").await;
    site.block("t1", SPAM).await;
    site.fakes.clock.forward(Duration::from_hours(24));
    let post = std::mem::replace(&mut site.services.post, Arc::new(Silent));
    let change = site.run(&["daily"]).await;
    assert!(change.lines.concat().contains("may have it"), "{:?}", change.lines);
    site.services.post = post;
    let change = site.run(&["daily"]).await;
    assert!(change.lines.is_empty() && site.fakes.post.letters.is_empty());
}

#[tokio::test]
async fn the_run_tells_when_it_comes_next() {
    let site = town();
    let six = FakeClock::START.millis() - 6 * HOUR;
    assert_eq!(site.run(&["when"]).await.lines, [six.to_string()]);
    site.run(&["daily"]).await;
    assert_eq!(site.run(&["when"]).await.lines, [(six + 24 * HOUR).to_string()]);
    site.ask("carl@d.example", "+3", "").await;
    assert_eq!(
        site.run(&["list"]).await.lines,
        ["carl@d.example carl@d.example carl@d.example: 3 days, for carl@d.example"]
    );
    assert!(
        site.run(&["end", "carl@d.example carl@d.example carl@d.example"])
            .await
            .changed
    );
    assert!(
        !site
            .run(&["end", "carl@d.example carl@d.example carl@d.example"])
            .await
            .changed
    );
}

#[tokio::test]
async fn a_desk_that_cannot_answer_is_a_fault_and_no_letter() {
    let site = town();
    site.desk.asked.fail(Some(Fault::Unavailable("store")));
    let from = Address::parse("carl@d.example", true).unwrap();
    let login = Login::new("carl@d.example", LoginBy::Auth);
    let asked = Asked {
        by: &login,
        from: &from,
        subject: "",
        text: "",
        language: "de",
        now: FakeClock::START,
    };
    assert_eq!(take(site.house(), &asked).await, Err(Fault::Unavailable("store")));
}

#[tokio::test]
async fn every_language_has_a_whole_report() {
    let site = town();
    site.block("t1", SPAM).await;
    let from = Address::parse("carl@d.example", true).unwrap();
    let login = Login::new("carl@d.example", LoginBy::Auth);
    for language in ["de", "en", "es", "fr"] {
        let asked = Asked {
            by: &login,
            from: &from,
            subject: "+",
            text: "",
            language,
            now: FakeClock::START,
        };
        let letter = only(take(site.house(), &asked).await.unwrap());
        assert_eq!(letter.language.as_deref(), Some(language));
        assert!(
            !letter.subject.is_empty() && !letter.text.contains(['{', '}']),
            "{}",
            letter.text
        );
        for there in [
            "win a price",
            "release%201",
            "assp-blockreport@d.example",
            "2026-01-04 12:00",
        ] {
            assert!(letter.text.contains(there), "{language}: {there}: {}", letter.text);
        }
        assert!(
            letter
                .html
                .is_some_and(|html| html.contains(&format!("lang=\"{language}\"")))
        );
        for why in why::Why::ALL {
            assert!(!site.house().pen(language).why(why).is_empty(), "{language} {why:?}");
        }
    }
}
