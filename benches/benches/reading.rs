//! What a reader of a mail sees: text, HTML, links; and what costs most where somebody means it to.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use gatepost_core::message::Message;

/// 6 kB of text with three links, as two people write to each other.
fn text() -> String {
    let line = "It was a quiet week here, and the garden wants more rain than it gets.\r\n";
    let mut mail = String::from(
        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\n",
    );
    for n in 0..80 {
        mail.push_str(line);
        if n % 30 == 0 {
            mail.push_str("See https://www.example.org/garden?week=3D12 and example.net.\r\n");
        }
    }
    mail
}

/// 50 kB of HTML as newsletters have it: tables, styles, images, a link in each row.
fn newsletter() -> String {
    let mut mail = String::from(
        "Content-Type: text/html; charset=utf-8\r\n\r\n<style>.p{display:none}td{color:#333}</style><table>",
    );
    for n in 0..150 {
        mail.push_str(&format!(
            "<tr><td class=\"c\" style=\"padding:4px;font-size:14px;color:#333333;background-color:#ffffff\"><a \
             href=\"https://click.example.com/c?u=https%3A%2F%2Fshop.example.org%2F{n}&amp;m=1\" style=\"color:#0066cc\">Number \
             {n} of the week</a><br>A few words about it.<img src=\"https://img.example.com/{n}.png\" width=\"1\"></td></tr>\r\n"
        ));
    }
    mail + "</table>"
}

fn bombs() -> [(&'static str, String); 6] {
    let text = |body: String| format!("Content-Type: text/plain\r\n\r\n{body}");
    let html = |body: String| format!("Content-Type: text/html\r\n\r\n{body}");
    let nested = "http://a.example.org/?u=".repeat(200_000 / 24);
    let encoded = "http%3A%2F%2Fa.example.org%2F%3Fu%3D".repeat(200_000 / 36);
    [
        ("200 kB of @", text("@".repeat(200_000))),
        ("200 kB of http://@", text("http://@".repeat(25_000))),
        ("200 kB of ?u=", text(nested.clone())),
        ("200 kB of ?u= in an anchor", html(format!("<a href=\"{nested}\">"))),
        ("200 kB of encoded ?u=", html(format!("<a href=\"http://a.example.org/?u={encoded}\">"))),
        ("1 MB of 10,000 links", html((0..10_000).fold(String::new(), |mail, n| {
            mail + &format!("<p><a href=\"http://x{n}.example.com/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\">here it is</a></p>\r\n")
        }))),
    ]
}

fn reading(c: &mut Criterion) {
    let mut group = c.benchmark_group("reading");
    group.sample_size(20);
    let mails = [("text, 6 kB", text()), ("newsletter, 50 kB", newsletter())];
    for ((name, mail), links) in mails.into_iter().chain(bombs()).zip([2, 450, 0, 2, 3, 3, 2, 1_000]) {
        let found = Message::from_bytes(mail.clone())
            .reading(&|| false)
            .links()
            .iter()
            .len();
        assert_eq!(found, links, "{name}");
        group.throughput(Throughput::Bytes(mail.len() as u64));
        // A message keeps its reading, so each is a new one.
        group.bench_function(name, |b| {
            b.iter_batched(
                || Message::from_bytes(mail.clone()),
                |message| black_box(message.reading(&|| false)).links().iter().len(),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, reading);
criterion_main!(benches);
