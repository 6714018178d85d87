//! Reverse names over a zone.

use gatepost_core::Reverse;
use gatepost_spf_dkim_dmarc::reverse::name;
use gatepost_testkit::Zone;

#[tokio::test]
async fn a_name_that_cannot_be_asked_for_is_not_held_against_anybody() {
    let zone = Zone::parse(
        "192.0.2.1 PTR broken.example\nSERVFAIL broken.example\n192.0.2.2 PTR other.example\n\
         192.0.2.3 PTR broken.example\n192.0.2.3 PTR own.example\nown.example A 192.0.2.3",
    )
    .unwrap();
    let reverse = async |address: &str| name(&zone, address.parse().unwrap()).await;
    assert!(reverse("192.0.2.1").await.is_err());
    let other = Reverse::new(Some("other.example".into()), false);
    assert_eq!(reverse("192.0.2.2").await, Ok(other));
    let own = Reverse::new(Some("own.example".into()), true);
    assert_eq!(reverse("192.0.2.3").await, Ok(own));
}
