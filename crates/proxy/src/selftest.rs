//! `gatepost selftest`: looks at each mail server as an attacker would, and says what to write into its configuration.
//!
//! Harmless: a probe never sends the end of a message. A server that answers before it has seen one is open to
//! smuggling, and then the probe's few words are delivered to the recipient of the test, which is how it is known.
#![expect(clippy::disallowed_macros, reason = "it speaks to the operator at the terminal")]

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::Duration;

use crate::config::{ClientAddress, Config, Route};
use crate::proxy_header;

/// How long a connection and a reply may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a server that is not fooled stays silent before the next sequence is tried.
const SILENCE: Duration = Duration::from_millis(1500);

/// What some servers take for the end of a message, and what none may (RFC 5321 §4.1.1.4).
const SEQUENCES: [(&str, &[u8]); 7] = [
    ("LF . LF", b"\n.\n"),
    ("LF . CR LF", b"\n.\r\n"),
    ("CR LF . LF", b"\r\n.\n"),
    ("CR . CR", b"\r.\r"),
    ("CR . CR LF", b"\r.\r\n"),
    ("CR LF . CR CR LF", b"\r\n.\r\r\n"),
    ("CR LF NUL . CR LF", b"\r\n\0.\r\n"),
];

/// How grave a line of the report is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Grade {
    Ok,
    Note,
    Warning,
    Danger,
}

/// The report on one mail server.
#[derive(Default)]
struct Report(Vec<(Grade, String)>);

impl Report {
    fn say(&mut self, grade: Grade, text: impl Into<String>) {
        self.0.push((grade, text.into()));
    }
}

/// Tests every mail server of a configuration. `to` is a recipient that exists there; `postmaster` without one.
pub fn run(config: &Config, to: Option<&str>) -> Result<(), String> {
    let mut worst = false;
    for (name, route) in &config.route {
        if route.upstream.maildir().is_some() {
            println!("route {name}: {}: no mail server, nothing to test\n", route.upstream);
        }
        for (host, port) in route.upstream.servers() {
            worst |= server(config, name, route, (host, port), to);
        }
    }
    if worst {
        Err("DANGER: apply the lines above to the mail server, then run selftest again".into())
    } else {
        Ok(())
    }
}

/// Tests one mail server of a route, and says whether it is in danger.
fn server(config: &Config, name: &str, route: &Route, (host, port): (&str, u16), to: Option<&str>) -> bool {
    println!("route {name}: {host}:{port}");
    let domain = route
        .domains
        .first()
        .or(config.local_domains.first())
        .map(ToString::to_string);
    let domain = domain.as_deref().unwrap_or("localhost").trim_start_matches('.');
    let to = to.map_or_else(|| format!("postmaster@{domain}"), str::to_owned);
    let mut report = Report::default();
    let software = test(config, route, (host, port), &to, domain, &mut report);
    for (grade, line) in &report.0 {
        let sign = match grade {
            Grade::Ok => "  ok      ",
            Grade::Note => "  note    ",
            Grade::Warning => "  WARNING ",
            Grade::Danger => "  DANGER  ",
        };
        println!("{sign} {line}");
    }
    println!("\n{}", advice(software, route, config.hostname(), port));
    report.0.iter().any(|(grade, _)| *grade == Grade::Danger)
}

/// A plain session with a server.
struct Probe {
    reader: BufReader<TcpStream>,
}

impl Probe {
    fn open(address: SocketAddr, route: &Route) -> std::io::Result<Probe> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut probe = Probe {
            reader: BufReader::new(stream),
        };
        if route.client_address == ClientAddress::Proxy {
            let ourselves = probe.reader.get_ref().local_addr()?;
            probe.write(&proxy_header::write(ourselves, Some(address)))?;
        }
        Ok(probe)
    }

    fn write(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.reader.get_mut().write_all(octets)
    }

    /// One reply: its code and lines. A server that says too much is cut.
    fn reply(&mut self) -> std::io::Result<(u16, Vec<String>)> {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            std::io::Read::take(&mut self.reader, 2048).read_until(b'\n', &mut line)?;
            if line.is_empty() {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let line = String::from_utf8_lossy(&line)
                .trim_end()
                .chars()
                .filter(|c| !c.is_control())
                .collect::<String>();
            let (code, last) = (
                line.get(..3).and_then(|code| code.parse().ok()),
                line.as_bytes().get(3) != Some(&b'-'),
            );
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if last || lines.len() > 100 {
                return Ok((code.unwrap_or(0), lines));
            }
        }
    }

    fn ask(&mut self, command: &str) -> std::io::Result<(u16, Vec<String>)> {
        self.write(format!("{command}\r\n").as_bytes())?;
        self.reply()
    }
}

/// Which server it is, as far as it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Software {
    Postfix,
    Exim,
    Exchange,
    Unknown,
}

fn software(greeting: &str) -> Software {
    let greeting = greeting.to_ascii_lowercase();
    match () {
        () if greeting.contains("postfix") => Software::Postfix,
        () if greeting.contains("exim") => Software::Exim,
        () if greeting.contains("microsoft esmtp") => Software::Exchange,
        () => Software::Unknown,
    }
}

fn test(config: &Config, route: &Route, at: (&str, u16), to: &str, domain: &str, report: &mut Report) -> Software {
    let address = match at.to_socket_addrs().map(|mut found| found.next()) {
        Ok(Some(address)) => address,
        _ => {
            report.say(Grade::Danger, "its name does not resolve");
            return Software::Unknown;
        }
    };
    let hello = format!("EHLO {}", config.hostname());
    let opened = Probe::open(address, route).and_then(|mut probe| {
        let greeting = probe.reply()?;
        let offer = probe.ask(&hello)?;
        Ok((probe, greeting, offer))
    });
    let (mut probe, (_, greeting), (code, offer)) = match opened {
        Ok((probe, greeting, offer)) if greeting.0 == 220 => (probe, greeting, offer),
        Ok((_, (code, lines), _)) => {
            report.say(Grade::Danger, format!("it greets with {code} {}", lines.join(" ")));
            return Software::Unknown;
        }
        Err(error) => {
            report.say(Grade::Danger, format!("it does not answer: {error}"));
            return Software::Unknown;
        }
    };
    let software = software(&greeting.join(" "));
    report.say(Grade::Ok, format!("it answers and greets as: {}", greeting.join(" ")));
    if code != 250 {
        report.say(
            Grade::Warning,
            format!("it answers EHLO with {code}: it will get plain SMTP without extensions"),
        );
    }
    introduces(route, &offer, report);
    recipients(&mut probe, to, domain, report);
    open_to_the_world(address, report);
    smuggling(address, route, &hello, to, report);
    software
}

fn introduces(route: &Route, offer: &[String], report: &mut Report) {
    let offers = |word: &str| {
        offer
            .iter()
            .any(|line| line.to_ascii_uppercase().split(' ').next() == Some(word))
    };
    for (asked, word) in [
        (ClientAddress::Xclient, "XCLIENT"),
        (ClientAddress::Xforward, "XFORWARD"),
    ] {
        match (route.client_address == asked, offers(word)) {
            (true, true) => report.say(
                Grade::Ok,
                format!("it offers {word} to us, so it learns the client's address"),
            ),
            (true, false) => report.say(
                Grade::Danger,
                format!("client_address asks for {word}, and it does not offer it to us: allow it for our address"),
            ),
            (false, true) => report.say(
                Grade::Note,
                format!("it offers {word} to us, and client_address does not use it"),
            ),
            (false, false) => {}
        }
    }
}

fn recipients(probe: &mut Probe, to: &str, domain: &str, report: &mut Report) {
    let nobody = format!("gatepost-selftest-{:x}@{domain}", std::process::id());
    let mut rcpt = |to: &str| -> std::io::Result<u16> {
        probe.ask("RSET")?;
        match probe.ask("MAIL FROM:<>")?.0 {
            250 => Ok(probe.ask(&format!("RCPT TO:<{to}>"))?.0),
            code => Ok(code),
        }
    };
    match rcpt(&nobody) {
        Ok(550 | 551 | 553 | 554) => report.say(Grade::Ok, "it refuses recipients that do not exist"),
        Ok(250 | 251) => report.say(
            Grade::Warning,
            format!(
                "it accepts <{nobody}>: unknown recipients are not refused at RCPT, and bounces will go to strangers"
            ),
        ),
        Ok(530) => report.say(
            Grade::Note,
            "it wants TLS or AUTH before mail; this test speaks neither, so recipients are not tested",
        ),
        Ok(code) => report.say(Grade::Note, format!("it answers an unknown recipient with {code}")),
        Err(error) => report.say(
            Grade::Warning,
            format!("it broke off while recipients were tested: {error}"),
        ),
    }
    match rcpt("selftest@gatepost-relay-test.invalid") {
        Ok(250 | 251) => report.say(
            Grade::Note,
            "it relays to other domains for us: right for outbound mail; inbound only local_domains reach it",
        ),
        Ok(_) => {}
        Err(error) => report.say(
            Grade::Warning,
            format!("it broke off while relaying was tested: {error}"),
        ),
    }
    if !matches!(rcpt(to), Ok(250 | 251)) {
        report.say(
            Grade::Note,
            format!("it does not take mail for <{to}>; name an address that exists by --to"),
        );
    }
}

/// An address of this machine that others may reach. Nothing is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket
        .local_addr()
        .ok()
        .map(|own| own.ip())
        .filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

fn open_to_the_world(address: SocketAddr, report: &mut Report) {
    if !address.ip().is_loopback() {
        report.say(
            Grade::Note,
            format!("it listens at {address}: let only this host reach that port, or everybody can go around Gatepost"),
        );
        return;
    }
    let open = own_address().filter(|own| {
        TcpStream::connect_timeout(&SocketAddr::new(*own, address.port()), Duration::from_secs(2)).is_ok()
    });
    match open {
        Some(own) => report.say(
            Grade::Danger,
            format!(
                "its port {} answers at {own}, too: whoever reaches that goes around Gatepost",
                address.port()
            ),
        ),
        None => report.say(Grade::Ok, "its port answers on loopback only"),
    }
}

fn smuggling(address: SocketAddr, route: &Route, hello: &str, to: &str, report: &mut Report) {
    let mut fooled = Vec::new();
    let mut tested = 0;
    for (name, sequence) in SEQUENCES {
        match smuggle(address, route, hello, to, sequence) {
            Ok(true) => fooled.push(name),
            Ok(false) => tested += 1,
            Err(_) => {}
        }
    }
    if !fooled.is_empty() {
        report.say(
            Grade::Danger,
            format!(
                "it takes {} for the end of a message: whoever reaches it directly can smuggle mail",
                fooled.join(", ")
            ),
        );
        report.say(
            Grade::Note,
            "through Gatepost nobody can: it ends at CR LF . CR LF and sends nothing else",
        );
    } else if tested == SEQUENCES.len() {
        report.say(
            Grade::Ok,
            "it is not fooled by any of seven false ends of a message, from our address",
        );
    } else {
        report.say(
            Grade::Note,
            format!(
                "smuggling: only {tested} of {} sequences could be tested",
                SEQUENCES.len()
            ),
        );
    }
}

/// Whether the server answers a message that has not ended. An error means that it could not be asked.
fn smuggle(address: SocketAddr, route: &Route, hello: &str, to: &str, sequence: &[u8]) -> std::io::Result<bool> {
    let refused = || std::io::Error::other("refused");
    let mut probe = Probe::open(address, route)?;
    probe.reply()?;
    probe.ask(hello)?;
    probe.ask("MAIL FROM:<>")?;
    if probe.ask(&format!("RCPT TO:<{to}>"))?.0 / 100 != 2 || probe.ask("DATA")?.0 != 354 {
        return Err(refused());
    }
    let mut text =
        b"Subject: Gatepost self-test\r\n\r\nYour mail server takes a false end of a message for a true one.".to_vec();
    text.extend_from_slice(sequence);
    probe.write(&text)?;
    probe.reader.get_ref().set_read_timeout(Some(SILENCE))?;
    match probe.reply() {
        // Anything but acceptance is a server that saw something wrong, which is well.
        Ok((code, _)) => Ok(code / 100 == 2),
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn advice(software: Software, route: &Route, hostname: &str, port: u16) -> String {
    let sees = match route.client_address {
        ClientAddress::Xclient => "\x20     -o smtpd_authorized_xclient_hosts=127.0.0.1\n",
        ClientAddress::Xforward => "\x20     -o smtpd_authorized_xforward_hosts=127.0.0.1\n",
        ClientAddress::Proxy => "\x20     -o smtpd_upstream_proxy_protocol=haproxy\n",
        ClientAddress::None => "\x20     -o smtpd_client_restrictions=permit_mynetworks,reject\n",
    };
    let postfix = format!(
        "Postfix, so that it takes mail from Gatepost only (Gatepost on the same host):\n\
         \x20 master.cf, in place of the line `smtp inet ... smtpd`, since port 25 is Gatepost's:\n\
         \x20   127.0.0.1:{port} inet n - y - - smtpd\n\
         {sees}\
         \x20 main.cf:\n\
         \x20   smtpd_forbid_bare_newline = normalize\n\
         \x20   smtpd_forbid_bare_newline_exclusions =\n"
    );
    let exim = format!(
        "Exim, so that it takes mail from Gatepost only (Gatepost on the same host):\n\
         \x20 local_interfaces = <; 127.0.0.1.{port}\n\
         \x20 hosts_proxy = 127.0.0.1        # with client_address = \"proxy\"\n\
         \x20 chunking_advertise_hosts =\n"
    );
    let exchange = format!(
        "Exchange, so that it takes mail from Gatepost only and sees the true client:\n\
         \x20 Set-ReceiveConnector \"Default Frontend\" -RemoteIPRanges <address of Gatepost> -Bindings 0.0.0.0:{port}\n\
         \x20 Set-TransportConfig -InternalSMTPServers @{{Add=\"<address of Gatepost>\"}}\n"
    );
    let trace = format!("Gatepost calls itself {hostname} and writes the client into Received.\n");
    match software {
        Software::Postfix => postfix + &trace,
        Software::Exim => exim + &trace,
        Software::Exchange => exchange + &trace,
        Software::Unknown if route.client_address == ClientAddress::None => {
            format!("{postfix}\n{exim}\n{exchange}\n{trace}")
        }
        Software::Unknown => postfix + &trace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_known_by_their_greeting() {
        assert_eq!(software("mx.example ESMTP Postfix (Debian/GNU)"), Software::Postfix);
        assert_eq!(software("mx.example ESMTP Exim 4.97"), Software::Exim);
        assert_eq!(software("MX Microsoft ESMTP MAIL Service ready"), Software::Exchange);
        assert_eq!(software("hello"), Software::Unknown);
    }
}
