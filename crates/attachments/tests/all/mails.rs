//! Mails that lie in files of a mail.

use gatepost_attachments::look::{Contents, look};
use gatepost_attachments::rule::{Rule, Side};
use gatepost_core::Message;
use serde_json::json;

use crate::scene::{config, policy, rules};

fn enclosing(name: &str, content: &str) -> String {
    format!(
        "From: Ann <ann@b.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n\
         Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\r\n\
         {content}\r\n--b{n}--\r\n",
        n = content.len()
    )
}

fn looked(mail: &str) -> Contents {
    let how = config(json!({})).how().expect("bounds");
    look(&Message::from_bytes(mail.as_bytes().to_vec()), &how, &|| false)
}

fn paths(contents: &Contents) -> Vec<String> {
    contents.files.iter().map(|file| file.path.join(" > ")).collect()
}

fn refused(contents: &Contents) -> bool {
    rules(&policy(json!({})).judge(contents, Side::External, &[])).contains(&Rule::Blocked)
}

#[test]
fn a_mail_that_is_a_file_is_opened_whatever_type_is_declared() {
    let inner = enclosing("run.bat", "@echo off");
    for mail in [inner.clone(), inner.replace("\r\n", "\n")] {
        let contents = looked(&enclosing("letter.eml", &mail));
        assert!(
            paths(&contents).contains(&"letter.eml > run.bat".to_owned()),
            "{:?}",
            paths(&contents)
        );
        assert!(refused(&contents));
    }
    assert!(!refused(&looked(&enclosing(
        "letter.eml",
        &enclosing("notes.txt", "Nothing.")
    ))));
}

#[test]
fn each_mail_of_a_mailbox_is_opened() {
    let (first, second) = (enclosing("notes.txt", "Nothing."), enclosing("run.bat", "@echo off"));
    let mbox = format!(
        "From ann@b.example Mon Jan  5 12:00:00 2026\r\n{first}\r\nFrom bob@b.example Mon Jan  5 12:00:01 2026\r\n{second}"
    );
    let contents = looked(&enclosing("letters", &mbox));
    assert!(
        paths(&contents).contains(&"letters > run.bat".to_owned()),
        "{:?}",
        paths(&contents)
    );
}

#[test]
fn mails_in_mails_are_opened_to_a_depth_and_what_is_deeper_is_a_finding() {
    let deep = |times: usize| {
        (0..times).fold(enclosing("run.bat", "@echo off"), |mail, _| {
            enclosing("letter.eml", &mail)
        })
    };
    assert!(refused(&looked(&deep(4))));
    let contents = looked(&deep(40));
    let found = rules(&policy(json!({})).judge(&contents, Side::External, &[]));
    assert!(found.contains(&Rule::Bounds), "{found:?}");
}
