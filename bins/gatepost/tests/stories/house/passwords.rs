//! Who checks passwords for Postfix: the little of Dovecot's protocol that `smtpd_sasl_type = dovecot` needs.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Knows one initial response of AUTH PLAIN, in base64, and the user that it stands for. Runs as long as the process.
pub fn serve(response: &'static str, user: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream, response, user));
        }
    });
    address
}

fn answer(mut stream: TcpStream, response: &str, user: &str) -> Option<()> {
    let hello =
        "VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t0123456789abcdef0123456789abcdef\nDONE\n";
    stream.write_all(hello.as_bytes()).ok()?;
    for line in BufReader::new(stream.try_clone().ok()?).lines() {
        let line = line.ok()?;
        let words: Vec<&str> = line.split('\t').collect();
        let heard = match words.first() {
            Some(&"AUTH") => words.iter().find_map(|word| word.strip_prefix("resp=")),
            Some(&"CONT") => words.get(2).copied(),
            _ => continue,
        };
        let id = words.get(1)?;
        let answer = match heard {
            None => format!("CONT\t{id}\t\n"),
            Some(heard) if heard == response => format!("OK\t{id}\tuser={user}\n"),
            Some(_) => format!("FAIL\t{id}\tuser={user}\n"),
        };
        stream.write_all(answer.as_bytes()).ok()?;
    }
    Some(())
}
