//! An upgrade with mail waiting: what the first form wrote is read for good. The files come from another program than ours.

mod house;

use gatepost_core::smtp::{BodyType, MailParams, Notify, Path, Ret, Time};
use gatepost_queue::spool::{Marks, ReadError, Unreadable};
use house::{octets, open};

const NAME: &str = "1ke70ehg00003.46.a1767614400005";

#[tokio::test]
async fn mail_that_the_first_form_wrote_is_delivered_by_every_later_one() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("mail/d.example");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(NAME), include_bytes!("golden/mail-v1")).unwrap();
    std::fs::write(folder.join("1ke70ehg00003.state"), include_bytes!("golden/state-v1")).unwrap();
    let (spool, found) = open(dir.path());
    let entry = found.entries().remove(0);
    assert_eq!((found.strangers, entry.marks, entry.size), (0, Marks::default(), 46));
    assert_eq!(entry.at, Time::from_millis(1_767_614_400_005));
    let (stored, _) = spool.read(&entry).await.unwrap();
    let head = stored.head;
    assert_eq!(
        (&*head.domain, &*head.transaction, &*head.route),
        ("d.example", "t0123456789abcd", "default")
    );
    assert_eq!(head.from, Path::reverse("ann@b.example", false).unwrap());
    let params = MailParams {
        size: Some(60),
        body: Some(BodyType::EightBitMime),
        ret: Some(Ret::Headers),
        envid: Some("x+2Dy".into()),
        ..MailParams::default()
    };
    assert_eq!(head.params, params);
    let notify = Notify {
        success: false,
        failure: true,
        delay: true,
    };
    assert_eq!(head.recipients[0].1.notify, Some(notify));
    assert_eq!(head.recipients[0].1.orcpt.as_deref(), Some("rfc822;carl@d.example"));
    assert_eq!(head.recipients[1].0.to_string(), "\"d o\"@d.example");
    assert_eq!(
        (head.caller.helo.as_deref(), head.caller.port),
        (Some("mail.b.example"), 2525)
    );
    assert!(head.proven && !head.notice);
    assert_eq!(stored.progress.done, [0].into());
    assert_eq!(
        stored.progress.failed,
        [(1, "550 5.1.1 no such user".to_owned())].into()
    );
    assert_eq!(
        octets(&spool, &entry).await,
        b"Subject: golden\r\n\r\nA mail of the first form.\r\n"
    );
    assert!(spool.remove(&entry).await.unwrap());
}

#[tokio::test]
async fn mail_that_a_newer_form_wrote_is_left_where_it_is_and_others_flow() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("mail/d.example");
    std::fs::create_dir_all(&folder).unwrap();
    let newer = String::from_utf8(include_bytes!("golden/mail-v1").to_vec()).unwrap();
    let newer = newer.replacen("gatepost-mail 1 ", "gatepost-mail 2 ", 1);
    std::fs::write(folder.join(NAME), &newer).unwrap();
    // A newer one may know more marks, too.
    let marked = format!("{}.z", NAME.replacen("00003", "00004", 1));
    std::fs::write(folder.join(&marked), &newer).unwrap();
    let (spool, found) = open(dir.path());
    assert_eq!((&found.strange, found.mails), (&vec![folder.join(&marked)], 1));
    let read = spool.read(&found.entries()[0]).await;
    assert!(matches!(read, Err(ReadError::Unreadable(Unreadable::Newer(form))) if form == "2"));
    let other = house::accept(&spool, "d.example", "t", b"x".to_vec()).await.unwrap();
    assert!(other.id > found.entries()[0].id);
    assert!(spool.remove(&other).await.unwrap());
    assert_eq!(std::fs::read_to_string(folder.join(NAME)).unwrap(), newer);
}
