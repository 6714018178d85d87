//! Files behind the proxy: what is dangerous is refused by its name in whatever it is packed, for everybody; what is harmless
//! passes octet for octet; and what was made to wear us out keeps nobody waiting.

#[path = "../../../../crates/attachments/tests/packed/mod.rs"]
mod packed;

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use packed::encoded::base64;
use packed::written::{Member, deflated, stored, zip};
use packed::{CONTAINERS, Container, Packed, eicar, packed as file};

use crate::house::{Clamd, Client, Gatepost, Reply, Script, Setup, Upstream, holds, mail, stuffed, timed};

/// The field that says what became of a mail's files.
const FIELD: &str = "X-Gatepost-Attachments";
/// SHA-256 of the test file.
const KNOWN_BAD: &str = "['275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f']";
/// What clamd does not open: it runs no scripts, and does not see what one puts together.
const UNOPENED: &str = "web page with a script";

const SUBMISSION: &str = "submission";

fn head(subject: &str) -> Vec<u8> {
    format!(
        "DKIM-Signature: v=1; a=rsa-sha256; d=there.example; s=k;\r\n\tbh=AAAA; b=BBBB\r\n\
         From: Ann <ann@there.example>\r\nTo: bob@example.org\r\nSubject: {subject}\r\n\
         Date: Mon, 1 Jun 2026 10:00:00 +0000\r\nMessage-ID: <{subject}@there.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"=_gate\"\r\n\r\nMIME, for those who see this.\r\n\
         --=_gate\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         .\r\nGr\u{fc}\u{df}e \t \r\n\r\n--=_gate\r\n"
    )
    .into_bytes()
}

/// A part with a file; a mail lies in it as it is (RFC 2046 section 5.2.1 allows no base64 there).
fn part(file: &Packed) -> Vec<u8> {
    let Packed { name, mime, octets } = file;
    let fields =
        format!("Content-Type: {mime}; name=\"{name}\"\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n");
    match *mime {
        "message/rfc822" => [fields.as_bytes(), b"\r\n", octets].concat(),
        _ => format!("{fields}Content-Transfer-Encoding: base64\r\n\r\n{}", base64(octets)).into_bytes(),
    }
}

/// A mail with these files.
fn carrying(subject: &str, files: &[&Packed]) -> Vec<u8> {
    let parts: Vec<_> = files.iter().map(|file| part(file)).collect();
    let parts = parts.join(&b"\r\n--=_gate\r\n"[..]);
    [&head(subject)[..], &parts, b"\r\n--=_gate--\r\nBehind it all.\r\n"].concat()
}

/// The smallest that is taken for a picture.
fn picture() -> Packed {
    let octets = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xd9".to_vec();
    file("picture.jpg", "image/jpeg", octets)
}

/// From somebody outside, or at the submission port from one of ours.
#[track_caller]
fn sends(gatepost: &Gatepost, listener: &str, to: &str, content: &[u8]) -> Reply {
    let mut client = Client::introduced(gatepost.address(listener));
    let reply = client.mail("ann@there.example", &[to], content);
    client.quit();
    reply
}

/// Sends the test file in each of these containers; what was not answered as it should be.
fn wrongly_answered(
    gatepost: &Gatepost,
    listener: &str,
    name: &str,
    which: impl Fn(&Container) -> bool,
    is_right: impl Fn(&Container, &Packed, &str) -> bool,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut count = 0;
    for container in CONTAINERS.iter().filter(|container| which(container)) {
        let file = (container.pack)(name, &eicar());
        let mail = carrying("file", &[&file]);
        let reply = sends(gatepost, listener, "bob@example.org", &mail).text();
        count += 1;
        if !is_right(container, &file, &reply) {
            wrong.push(format!("{}: {reply}", container.what));
        }
    }
    assert!(count > 20, "only {count} containers");
    wrong
}

/// The name of the file within stands in it; a web page says under which one it hands its file over.
fn has_name(container: &Container) -> bool {
    container.names || container.what.starts_with("web page")
}

/// It is refused, and the sender reads which file it was and in which one it came; of a mail within the mail the parts are
/// the mail's own.
fn names_it(container: &Container, file: &Packed, reply: &str) -> bool {
    let reply = reply.to_ascii_lowercase();
    let path = reply
        .strip_prefix("550 5.7.1 attachment \"")
        .and_then(|rest| Some(rest.split_once("\" refused: ")?.0));
    let Some(path) = path else { return false };
    let outer = container.what == "eml" || path.starts_with(&file.name);
    let inner = ["eicar.com", "letter.dat", "notes.txt"];
    outer && (!has_name(container) || inner.iter().any(|name| path.ends_with(name)))
}

#[track_caller]
fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_test_file_is_refused_by_name_in_every_container() {
    let upstream = Upstream::start(Script::new());
    let setup = Setup::before(upstream.address).set("pipeline.inbound.tiers", "[['attachments']]");
    // As it is shipped, by its name alone.
    let gatepost = Gatepost::start(&setup);
    none(&wrongly_answered(&gatepost, "mx", "eicar.com", has_name, names_it));
    let record = gatepost
        .record("a refused mail", |record| record.to_string().contains("tar.gz"))
        .to_string();
    for words in [
        "attachments.blocked",
        "files.tar.gz > ",
        "eicar.com",
        "\"fate\":\"refuse\"",
    ] {
        assert!(record.contains(words), "{words}: {record}");
    }
    // And where it is known, by what it is, whatever its name.
    let known = setup.set("filters.attachments.options.known_bad", KNOWN_BAD);
    let gatepost = Gatepost::start(&known);
    for name in ["eicar.com", "letter.dat"] {
        none(&wrongly_answered(&gatepost, "mx", name, |_| true, names_it));
    }
    assert!(upstream.complete().is_empty(), "nothing of it went on");
}

#[test]
fn nobody_is_so_welcome_that_their_files_are_not_looked_at() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(
        &Setup::before(upstream.address)
            .set("pipeline.inbound.tiers", "[['whitelist'], ['attachments']]")
            .set("pipeline.outbound.tiers", "[['attachments']]")
            .set("filters.whitelist.options.unproven", "['ann@there.example']")
            .submission(),
    );
    gatepost.tells(&["whitelist", "add", "ann@there.example"]);
    for listener in ["mx", SUBMISSION] {
        none(&wrongly_answered(&gatepost, listener, "eicar.com", has_name, names_it));
    }
    assert!(upstream.complete().is_empty(), "nothing of it went on");
    // They are exempt, or ours, all the same: an image of a disk is theirs to send.
    let image = CONTAINERS
        .iter()
        .find(|container| container.what == "iso")
        .expect("one of them");
    let image = carrying("image", &[&(image.pack)("letter.txt", b"Dear Sir")]);
    for (listener, count) in [("mx", 1), (SUBMISSION, 2)] {
        sends(&gatepost, listener, "bob@example.org", &image).is(250);
        assert_eq!(upstream.taken().len(), count);
    }
}

#[test]
fn clamd_alone_finds_it_in_what_it_opens() {
    let (upstream, clamd) = (Upstream::start(Script::new()), Clamd::start(""));
    let gatepost = Gatepost::start(
        &Setup::before(upstream.address)
            .set("pipeline.inbound.tiers", "[['clamav', 'attachments']]")
            .set("filters.attachments.mode", "'monitor'")
            .set(
                "filters.clamav.options.servers",
                format!("['{}']", clamd.socket().display()),
            ),
    );
    let opened = |container: &Container| container.what != UNOPENED;
    let named = |_: &Container, _: &Packed, reply: &str| {
        reply.starts_with("550 5.7.1 Refused: the message carries Gatepost.Eicar.")
    };
    none(&wrongly_answered(&gatepost, "mx", "eicar.com", opened, named));
    assert!(upstream.complete().is_empty(), "nothing of it went on");
}

#[test]
fn what_is_harmless_passes_octet_for_octet() {
    let (upstream, clamd) = (Upstream::start(Script::new()), Clamd::start(""));
    let gatepost = Gatepost::start(
        &Setup::before(upstream.address)
            .set("pipeline.inbound.tiers", "[['attachments', 'clamav']]")
            .set(
                "filters.clamav.options.servers",
                format!("['{}']", clamd.socket().display()),
            ),
    );
    let letter = b"Dear Sir,\r\nplease find the papers behind this letter.\r\nYours, B.\r\n";
    let plain = CONTAINERS
        .iter()
        .filter(|container| !container.doubtful && !container.refused);
    let mut files: Vec<_> = plain.map(|container| (container.pack)("letter.txt", letter)).collect();
    files.push(picture());
    for name in ["report.docx", "report.pdf", "files.zip", "picture.jpg"] {
        assert!(files.iter().any(|file| file.name == name), "{name}");
    }
    for file in &files {
        let content = carrying("harmless", &[file]);
        let before = upstream.taken().len();
        sends(&gatepost, "mx", "bob@example.org", &content).is(250);
        let taken = upstream.taken();
        assert_eq!(taken.len(), before + 1, "{}", file.name);
        let came = &taken[before];
        assert!(came.content().ends_with(&content), "{} came as another", file.name);
        for field in [FIELD, "X-Gatepost-Unchecked"] {
            assert_eq!(came.field(field), None, "{}", file.name);
        }
    }
}

#[test]
fn a_file_that_is_taken_out_leaves_all_else_as_it_was_and_the_mail_says_so() {
    let upstream = Upstream::start(Script::new());
    let action = |domain: &str| format!("domain.'{domain}'.filters.attachments.options.findings.blocked.action");
    let gatepost = Gatepost::start(
        &Setup::before(upstream.address)
            .set("local_domains", "['replace.example', 'strip.example']")
            .set("pipeline.inbound.tiers", "[['attachments']]")
            .set("filters.attachments.options.contact", "'the desk, 555'")
            .set(&action("replace.example"), "'replace'")
            .set(&action("strip.example"), "'strip'"),
    );
    let bad = CONTAINERS
        .iter()
        .find(|container| container.what == "zip in zip")
        .expect("one of them");
    let bad = (bad.pack)("eicar.com", &eicar());
    let content = carrying("parts", &[&picture(), &bad, &picture()]);
    let taken_out = part(&bad);
    let at = content
        .windows(taken_out.len())
        .position(|window| window == taken_out)
        .expect("the part");
    let (above, below) = (&content[..at], &content[at + taken_out.len()..]);
    for (n, domain) in ["replace.example", "strip.example"].into_iter().enumerate() {
        sends(&gatepost, "mx", &format!("bob@{domain}"), &content).is(250);
        let taken = upstream.taken();
        assert_eq!(taken.len(), n + 1, "{domain}");
        let came = taken[n].content();
        let field = taken[n].field(FIELD).unwrap_or_default();
        for words in [
            "taken out; signatures of the mail (DKIM",
            "files.zip > more.zip > eicar.com",
        ] {
            assert!(field.contains(words), "{words}: {field}");
        }
        // Our fields, what stood above, the note, what stood below.
        assert!(came.ends_with(below), "{domain}: {}", came.escape_ascii());
        let rest = &came[..came.len() - below.len()];
        let top = rest.windows(above.len()).position(|window| window == above);
        let top = top.unwrap_or_else(|| panic!("{domain}: {}", came.escape_ascii()));
        let note = String::from_utf8_lossy(&rest[top + above.len()..]).into_owned();
        assert!(
            note.contains("The mail server has taken a file out of this mail."),
            "{note}"
        );
        let first = base64(&bad.octets).lines().next().unwrap_or_default().to_owned();
        assert!(!holds(note.as_bytes(), first.as_bytes()), "{note}");
        let told = ["files.zip > more.zip > eicar.com", "SHA-256 275a021b", "the desk, 555"];
        for words in told {
            assert_eq!(note.contains(words), domain == "replace.example", "{words}: {note}");
        }
    }
}

/// So many megabytes of zeros as a member of a zip; a thousandth of it in memory.
fn zeros(name: &str, megabytes: usize) -> Member {
    let megabyte = vec![0; 1 << 20];
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::best());
    packer.write_all(&megabyte).expect("to memory");
    // Ends at an octet and leans on nothing before it, so that it can stand any number of times.
    packer.flush().expect("to memory");
    let mut data = packer.get_ref().repeat(megabytes);
    data.extend(b"\x01\0\0\xff\xff");
    let mut one = crc32fast::Hasher::new();
    one.update(&megabyte);
    let mut sum = crc32fast::Hasher::new();
    (0..megabytes).for_each(|_| sum.combine(&one));
    Member {
        data,
        method: 8,
        crc: sum.finalize(),
        unpacked: (megabytes << 20) as u32,
        ..stored(name, b"")
    }
}

fn bomb() -> Vec<u8> {
    let octets = zip(&[zeros("zeros.dat", 3_000)]);
    carrying("bomb", &[&file("bomb.zip", "application/zip", octets)])
}

/// Sixteen zips in each of sixteen, and so on, as deep as anybody looks.
fn deep_bomb() -> Vec<u8> {
    let mut octets = zip(&[zeros("zeros.dat", 1)]);
    for _ in 0..4 {
        let names: Vec<String> = (0..16).map(|number| format!("lib {number}.zip")).collect();
        let members: Vec<_> = names.iter().map(|name| deflated(name, &octets)).collect();
        octets = zip(&members);
    }
    carrying("bomb", &[&file("42.zip", "application/zip", octets)])
}

/// Sends a mail, and does not hear what is said of it.
#[track_caller]
fn begun(gatepost: &Gatepost, content: &[u8]) -> Client {
    let mut client = gatepost.client();
    client.envelope("ann@there.example", &["bob@example.org"]);
    client.data();
    client.send([&stuffed(content)[..], b".\r\n"].concat());
    client
}

#[test]
fn bombs_are_answered_and_marked_and_the_next_mail_is_looked_at_as_ever() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(
        &Setup::before(upstream.address)
            .set("pipeline.inbound.tiers", "[['attachments']]")
            .set("capacity.threads", "2"),
    );
    let bombs = [bomb(), deep_bomb()];
    let clients: Vec<_> = bombs
        .iter()
        .cycle()
        .take(6)
        .map(|bomb| begun(&gatepost, bomb))
        .collect();
    let harmless = (CONTAINERS[1].pack)("letter.txt", b"Dear Sir");
    let harmless = carrying("harmless", &[&harmless]);
    sends(&gatepost, "mx", "bob@example.org", &harmless).is(250);
    for mut client in clients {
        client.reply().is(250);
        client.quit();
    }
    let taken = upstream.taken();
    assert_eq!(taken.len(), 7, "no mail is lost for what it carries");
    for mail in &taken {
        let is_bomb = mail.field("Subject").as_deref() == Some("bomb");
        let field = mail.field(FIELD).unwrap_or_default();
        let told = field.contains("(bomb)") || field.contains("(bounds)");
        assert_eq!(told, is_bomb, "{field}");
    }
    // Twice what one look may hold, for both that are under way at once, and as much for the rest.
    let most = 2 * 2 * 2 * 64 * 1_024;
    let peak = gatepost.peak_memory();
    assert!(peak < most, "{peak} KiB");
}

#[test]
fn where_all_threads_are_busy_with_bombs_others_wait_for_none_of_them() {
    const BOMBS: usize = 6;
    const LOOK: Duration = Duration::from_secs(2);
    let upstream = Upstream::start(Script::new());
    // With bounds that let it be unpacked as a whole, only the time ends the look.
    let gatepost = Gatepost::start(
        &Setup::before(upstream.address)
            .set("pipeline.inbound.tiers", "[['attachments']]")
            .set("capacity.threads", "2")
            .set("filters.attachments.options.ratio", "1000000")
            .set("filters.attachments.options.unpacked_megabytes", "10000")
            .set("filters.attachments.options.time", format!("'{}s'", LOOK.as_secs())),
    );
    let bomb = bomb();
    let clients: Vec<_> = (0..BOMBS).map(|_| begun(&gatepost, &bomb)).collect();
    let (reply, time) = timed(|| sends(&gatepost, "mx", "bob@example.org", &mail("plain")));
    reply.is(250);
    let by_then = upstream.taken().len();
    assert!(by_then <= BOMBS, "{by_then} mails were there before it, after {time:?}");
    for mut client in clients {
        client.reply().is(250);
        client.quit();
    }
    let taken = upstream.taken();
    assert_eq!(taken.len(), BOMBS + 1);
    for mail in &taken {
        let is_bomb = mail.field("Subject").as_deref() == Some("bomb");
        assert_eq!(mail.field(FIELD).is_some(), is_bomb);
    }
}
