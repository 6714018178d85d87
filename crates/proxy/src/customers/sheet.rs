//! What is shown of one domain: what it says, where that is written, how its mail server is, and what the customer sets up on
//! the side of that server, in words to copy.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use gatepost_core::{Change, Fault, Receipt};
use tokio::net::{UdpSocket, lookup_host};

use super::{Serving, Stored};
use crate::config::{ClientAddress, Config, Domain, DomainName, Place, Route, RouteTls, table_of};

/// How long the name of a mail server may take to be looked up.
const PATIENCE: Duration = Duration::from_secs(3);
/// The most mail servers that are looked up for the addresses from which mail comes.
const SERVERS: usize = 8;

/// The sheet of a domain.
pub(super) async fn shown(serving: &Serving, stored: &Stored, named: &str) -> Result<Receipt, Fault> {
    let Ok(domain) = named.parse::<DomainName>() else {
        return Ok(Receipt::Refused(format!(
            "`{named}` is no domain: expected {}",
            DomainName::EXPECTED
        )));
    };
    let kept = stored
        .iter()
        .find(|(name, _)| *name == *domain)
        .map(|(_, text)| text.as_str());
    let config = &serving.config;
    let Some(own) = config.domain.get(&domain) else {
        let Some(text) = kept else {
            return Ok(Receipt::Refused(format!(
                "there is no {domain}; `gatepost domain list` shows all"
            )));
        };
        let out = serving.left_out.iter().find(|out| out.domain == *domain);
        let why = out.map_or_else(|| "it waits for the next reload".to_owned(), super::LeftOut::told);
        let lines = format!("{domain}\n  written  in the store\n  state    NOT IN SERVICE\n{why}\n\n{text}");
        return Ok(Receipt::Done(Change::shown(lines.lines().map(str::to_owned).collect())));
    };
    let from_store = own.written.as_ref().and_then(Place::stored).is_some();
    let text = match kept.filter(|_| from_store) {
        Some(text) => text.to_owned(),
        None => table_of(&serving.sources, &domain).unwrap_or_default(),
    };
    let route = own
        .route
        .as_deref()
        .and_then(|name| Some((name, config.route.get(name)?)));
    let mut out = head(config, &domain, own, from_store);
    if serving.is_twice(&domain, stored) {
        let _ = writeln!(
            out,
            "  WARNING  the store has it, too, and what is written in the file counts: `gatepost domain remove {domain}` \
             takes it out of the store"
        );
    }
    if let Some((name, route)) = route {
        serving.ask(std::iter::once(name)).await;
        let hosts = if serving.asks {
            serving.ways.told(name)
        } else {
            Vec::new()
        };
        let up = match (serving.asks, super::is_up(&hosts)) {
            (true, Some(true)) => "in service; its mail server answers",
            (true, Some(false)) => "in service; its mail server DOES NOT ANSWER",
            (true, None) => "in service; its mail server HAS NOT ANSWERED YET",
            (false, _) => "sound; whether its mail server answers is not known, since no daemon runs",
        };
        let _ = writeln!(out, "  state    {up}");
        let _ = writeln!(out, "  route    {name}: {}", way(route));
        for host in hosts {
            let _ = writeln!(out, "  host     {}", host.told());
        }
    } else {
        let _ = writeln!(out, "  state    in service; its mail goes where the listener's does");
    }
    let _ = writeln!(out, "\n{}", text.trim_end());
    if let Some((_, route)) = route {
        let from = sources(&hosts(route)).await;
        out += &advice(config.hostname(), &domain, route, &from);
    }
    Ok(Receipt::Done(Change::shown(out.lines().map(str::to_owned).collect())))
}

fn head(config: &Config, domain: &DomainName, own: &Domain, from_store: bool) -> String {
    let written = match &own.written {
        _ if from_store => "in the store: `gatepost domain set` and `remove` change it".to_owned(),
        Some(place) => format!("at {place}"),
        None => "nowhere".to_owned(),
    };
    let asks = |yes: bool| if yes { "yes" } else { "no" };
    let greylists = own.greylist.unwrap_or_else(|| config.asks("greylist"));
    let mut out = format!("{domain}\n  written  {written}\n");
    let _ = writeln!(
        out,
        "  asked    danger: always; greylisting: {}; spam: {}",
        asks(greylists),
        asks(own.wants_spam_checked())
    );
    if !own.admins.is_empty() {
        let _ = writeln!(out, "  admins   {}", own.admins.join(", "));
    }
    out
}

fn way(route: &Route) -> String {
    let tls = match route.tls {
        RouteTls::None => "no TLS",
        RouteTls::Opportunistic => "TLS where it is offered",
        RouteTls::Required => "TLS required",
        RouteTls::Verified => "TLS with a valid certificate",
    };
    let client = match route.client_address {
        ClientAddress::None => "the client's address in Received only",
        ClientAddress::Xclient => "the client's address by XCLIENT",
        ClientAddress::Xforward => "the client's address by XFORWARD",
        ClientAddress::Proxy => "the client's address by a PROXY header",
    };
    format!("{}; {tls}; {client}", route.upstream)
}

/// The hosts and ports of a route.
fn hosts(route: &Route) -> Vec<String> {
    let all = crate::config::servers(route);
    all.take(SERVERS).collect()
}

/// The addresses of this machine from which it reaches these servers; nothing is sent to them.
async fn sources(hosts: &[String]) -> Vec<IpAddr> {
    let mut all = Vec::new();
    for host in hosts {
        let Ok(Ok(addresses)) = tokio::time::timeout(PATIENCE, lookup_host(host)).await else {
            continue;
        };
        for to in addresses.take(SERVERS) {
            all.extend(source(to).await);
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

async fn source(to: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = if to.is_ipv4() {
        ([0; 4], 0).into()
    } else {
        ([0; 16], 0).into()
    };
    let socket = UdpSocket::bind(any).await.ok()?;
    socket.connect(to).await.ok()?;
    Some(socket.local_addr().ok()?.ip().to_canonical())
}

/// What the customer sets up: pure, so that its words are seen whole by a test.
fn advice(hostname: &str, domain: &DomainName, route: &Route, from: &[IpAddr]) -> String {
    let addresses: Vec<String> = from.iter().map(IpAddr::to_string).collect();
    let spaced = match addresses.as_slice() {
        [] => "ADDRESS-OF-GATEPOST".to_owned(),
        some => some.join(", "),
    };
    // In master.cf a space ends a value, and in a list of hosts an address with colons stands in brackets.
    let listed: Vec<String> = from
        .iter()
        .map(|ip| {
            if ip.is_ipv6() {
                format!("[{ip}]")
            } else {
                ip.to_string()
            }
        })
        .collect();
    let nets = match listed.as_slice() {
        [] => "ADDRESS-OF-GATEPOST".to_owned(),
        some => some.join(","),
    };
    let quoted = spaced
        .split(", ")
        .map(|address| format!("\"{address}\""))
        .collect::<Vec<_>>()
        .join(",");
    let name = match domain.is_below() {
        true => format!("*{domain}"),
        false => domain.to_string(),
    };
    let mut out = format!(
        "\nWhat the customer sets up\n\
         \n  DNS: the only MX of {name}, so that no mail comes past this Gatepost:\n\
         \x20   {name}. IN MX 10 {hostname}.\n\
         \n  The mail server takes mail for {name} on its port from this Gatepost and from nobody else:\n\
         \x20   {spaced}\n\
         \x20 (the address by which this host reaches it; behind NAT it sees another one)\n"
    );
    if matches!(route.tls, RouteTls::Required | RouteTls::Verified) {
        out += "  It offers STARTTLS";
        out += match route.tls {
            RouteTls::Verified => ", with a certificate that is valid for the name by which it is reached.\n",
            _ => ".\n",
        };
    }
    let _ = write!(
        out,
        "\n  Exchange (management shell):\n\
         \x20   New-ReceiveConnector -Name \"Gatepost\" -TransportRole FrontendTransport -Usage Custom -Bindings 0.0.0.0:25 \
         -RemoteIPRanges {quoted} -AuthMechanism Tls -PermissionGroups AnonymousUsers\n\
         \x20   Set-TransportConfig -InternalSMTPServers @{{Add={quoted}}}    # the client is read from Received\n\
         \x20   (unknown recipients it may take until the end of a message: say who exists, by recipients or recipients_file)\n\
         \x20   (and let \"Default Frontend\" take mail from inside only)\n"
    );
    if matches!(route.client_address, ClientAddress::Xclient | ClientAddress::Proxy) {
        out += "    Exchange knows neither XCLIENT nor PROXY: use --client-address none there.\n";
    }
    let client = match route.client_address {
        ClientAddress::Xclient => format!("\x20     -o smtpd_authorized_xclient_hosts={nets}\n"),
        ClientAddress::Xforward => format!("\x20     -o smtpd_authorized_xforward_hosts={nets}\n"),
        ClientAddress::Proxy => "\x20     -o smtpd_upstream_proxy_protocol=haproxy\n".to_owned(),
        ClientAddress::None => String::new(),
    };
    let trusted = match route.client_address {
        // There it takes the client's address for its own, which must not be refused.
        ClientAddress::Xclient | ClientAddress::Proxy => {
            "      # and the firewall lets nobody but Gatepost reach the port\n".to_owned()
        }
        _ => format!(
            "\x20     -o smtpd_client_restrictions=check_client_access,inline:{{{}}},reject\n",
            spaced
                .split(", ")
                .map(|address| format!("{address}=OK"))
                .collect::<Vec<_>>()
                .join(",")
        ),
    };
    let _ = write!(
        out,
        "\n  Postfix (master.cf, the line of smtpd on the port):\n\
         \x20   smtp inet n - y - - smtpd\n{client}{trusted}\
         \x20   main.cf: relay_domains or virtual_mailbox_domains with {name}, and unknown recipients refused at RCPT (its default)\n"
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(toml: serde_json::Value) -> Route {
        serde_json::from_value(toml).expect("a route")
    }

    #[test]
    fn the_customer_is_told_what_to_set_up() {
        let domain: DomainName = "acme.example".parse().expect("a domain");
        let from = [
            "192.0.2.1".parse().expect("an address"),
            "2001:db8::1".parse().expect("an address"),
        ];
        let plain = route(serde_json::json!({ "upstream": "192.0.2.7:25", "tls": "verified" }));
        let told = advice("mx.provider.example", &domain, &plain, &from);
        for line in [
            "    acme.example. IN MX 10 mx.provider.example.",
            "    192.0.2.1, 2001:db8::1",
            "-RemoteIPRanges \"192.0.2.1\",\"2001:db8::1\" ",
            "with a certificate that is valid",
            "check_client_access,inline:{192.0.2.1=OK,2001:db8::1=OK},reject",
        ] {
            assert!(told.contains(line), "{line}:\n{told}");
        }
        let xclient = route(serde_json::json!({ "upstream": "192.0.2.7:25", "client_address": "xclient" }));
        let told = advice("mx.provider.example", &domain, &xclient, &from);
        assert!(
            told.contains("smtpd_authorized_xclient_hosts=192.0.2.1,[2001:db8::1]\n")
                && told.contains("Exchange knows neither"),
            "{told}"
        );
        let below: DomainName = ".acme.example".parse().expect("a domain");
        let told = advice("mx.provider.example", &below, &plain, &[]);
        assert!(
            told.contains("*.acme.example. IN MX") && told.contains("ADDRESS-OF-GATEPOST"),
            "{told}"
        );
    }

    #[tokio::test]
    async fn the_address_by_which_a_server_is_reached_is_our_own() {
        assert_eq!(
            sources(&["127.0.0.1:9".into(), "127.0.0.1:10".into()]).await,
            ["127.0.0.1".parse::<IpAddr>().unwrap()]
        );
    }
}
