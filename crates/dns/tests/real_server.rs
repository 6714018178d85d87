//! The resolver against a real name server on loopback.
#![allow(clippy::disallowed_types, reason = "a name server has sockets")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::{Dns, Fault, Lookup};
use gatepost_dns::{Resolver, Settings};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::serialize::txt::Parser;
use hickory_server::Server;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use tokio::net::{TcpListener, UdpSocket};

const ZONE: &str = r#"
@ 300 IN SOA ns.test. root.test. 1 3600 600 86400 30
@ 300 IN NS ns.test.
a.test. 120 IN A 192.0.2.1
a.test. 120 IN A 192.0.2.2
six.test. 120 IN AAAA 2001:db8::1
long.test. 120 IN TXT "v=spf1 " "-all"
big.test. 120 IN TXT "BIG"
mail.test. 120 IN MX 10 mx.test.
null.test. 120 IN MX 0 .
1.2.0.192.in-addr.test. 120 IN PTR a.test.
alias.test. 120 IN CNAME a.test.
"#;

async fn serve(zone: &str, origin: &str) -> (Server<Catalog>, SocketAddr) {
    let zone = zone.replace("BIG", &"x".repeat(250)).replace(
        "big.test. 120 IN TXT \"",
        &format!(
            "big.test. 120 IN TXT {} \"",
            format!("\"{}\" ", "y".repeat(250)).repeat(8)
        ),
    );
    let origin = Name::from_ascii(origin).unwrap();
    let (origin, records) = Parser::new(&zone, None, Some(origin)).parse().unwrap();
    let zone: InMemoryZoneHandler<TokioRuntimeProvider> =
        InMemoryZoneHandler::new(origin.clone(), records, ZoneType::Primary, AxfrPolicy::Deny).unwrap();
    let mut catalog = Catalog::new();
    catalog.upsert(origin.into(), vec![Arc::new(zone)]);
    let mut server = Server::new(catalog);
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    server.register_socket(UdpSocket::bind(address).await.unwrap());
    server.register_listener(tcp, Duration::from_secs(5), 4096);
    (server, address)
}

fn resolver(server: SocketAddr) -> Resolver {
    let settings = Settings {
        servers: vec![server],
        timeout: Duration::from_millis(300),
        attempts: 1,
        ..Settings::default()
    };
    Resolver::new(&settings).unwrap()
}

#[tokio::test]
async fn records_of_each_kind_are_read() {
    let (_server, address) = serve(ZONE, "test.").await;
    let dns = resolver(address);
    let mut a = dns.a("a.test").await.unwrap().into_records();
    a.sort();
    assert_eq!(
        a,
        [
            "192.0.2.1".parse::<std::net::Ipv4Addr>().unwrap(),
            "192.0.2.2".parse().unwrap()
        ]
    );
    assert_eq!(dns.a("alias.test").await.unwrap().records().len(), 2);
    assert_eq!(
        dns.aaaa("six.test").await.unwrap().records(),
        ["2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap()]
    );
    assert_eq!(&*dns.txt("long.test").await.unwrap().records()[0], b"v=spf1 -all");
    assert_eq!(dns.txt("big.test").await.unwrap().records()[0].len(), 9 * 250);
    let mx = dns.mx("mail.test").await.unwrap().into_records();
    assert_eq!((mx[0].preference, &*mx[0].host), (10, "mx.test"));
    assert_eq!(&*dns.mx("null.test").await.unwrap().records()[0].host, "");
    assert_eq!(&*dns.ns("test").await.unwrap().records()[0], "ns.test");
    assert!(dns.a("a.test").await.unwrap().ttl() > Duration::from_secs(100));
}

#[tokio::test]
async fn reverse_names_are_asked_for_by_address() {
    let zone = "@ 300 IN SOA ns.test. root.test. 1 3600 600 86400 30\n1.2.0.192.in-addr.arpa. 60 IN PTR a.test.\n";
    let (_server, address) = serve(zone, "in-addr.arpa.").await;
    let dns = resolver(address);
    assert_eq!(
        &*dns.ptr("192.0.2.1".parse().unwrap()).await.unwrap().records()[0],
        "a.test"
    );
    assert_eq!(
        &*dns.ptr("::ffff:192.0.2.1".parse().unwrap()).await.unwrap().records()[0],
        "a.test"
    );
    assert!(matches!(
        dns.ptr("192.0.2.9".parse().unwrap()).await,
        Ok(Lookup::NxDomain { .. })
    ));
}

#[tokio::test]
async fn that_a_name_or_a_record_is_not_there_is_an_answer() {
    let (_server, address) = serve(ZONE, "test.").await;
    let dns = resolver(address);
    assert_eq!(
        dns.a("no.test").await,
        Ok(Lookup::NxDomain {
            ttl: Duration::from_secs(30)
        })
    );
    assert_eq!(
        dns.mx("a.test").await,
        Ok(Lookup::NoData {
            ttl: Duration::from_secs(30)
        })
    );
    for odd in ["", "a..test", "a b.test\r\n", &"x".repeat(300), "ä.test"] {
        assert!(!matches!(dns.a(odd).await, Ok(Lookup::Found { .. })), "{odd}");
    }
}

#[tokio::test]
async fn that_nobody_answers_is_a_fault() {
    // A socket that takes questions and never answers.
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let dns = resolver(silent.local_addr().unwrap());
    assert!(matches!(dns.a("a.test").await, Err(Fault::Unavailable(_))));
    // A server that is not responsible refuses.
    let (_server, address) = serve(ZONE, "test.").await;
    assert!(matches!(
        resolver(address).a("a.example").await,
        Err(Fault::Unavailable(_))
    ));
}

#[tokio::test]
async fn names_with_any_visible_character_are_asked_for_and_come_back() {
    use hickory_resolver::proto::rr::rdata::{A, MX};
    use hickory_resolver::proto::rr::{RData, Record};
    let odd = || Name::from_labels([b"a:b/c\\d%".as_slice(), b"test"]).unwrap();
    let zone: InMemoryZoneHandler<TokioRuntimeProvider> = {
        let origin = Name::from_ascii("test.").unwrap();
        let (origin, records) = Parser::new(ZONE, None, Some(origin)).parse().unwrap();
        InMemoryZoneHandler::new(origin, records, ZoneType::Primary, AxfrPolicy::Deny).unwrap()
    };
    let address = A::new(192, 0, 2, 7);
    zone.upsert(Record::from_rdata(odd(), 60, RData::A(address)), 0).await;
    zone.upsert(Record::from_rdata(odd(), 60, RData::MX(MX::new(0, odd()))), 0)
        .await;
    let mut catalog = Catalog::new();
    catalog.upsert(Name::from_ascii("test.").unwrap().into(), vec![Arc::new(zone)]);
    let mut server = Server::new(catalog);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let dns = resolver(socket.local_addr().unwrap());
    server.register_socket(socket);
    let mx = dns.mx("A:B/c\\d%.test").await.unwrap().into_records();
    assert_eq!(&*mx[0].host, "a:b/c\\d%.test");
    assert_eq!(dns.a(&mx[0].host).await.unwrap().records(), [address.0]);
}
