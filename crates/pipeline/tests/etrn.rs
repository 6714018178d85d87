//! ETRN: a customer's mail server that is back asks for its mail.

mod house;

use gatepost_core::smtp::Etrn;
use gatepost_core::smtp::session::Question;
use gatepost_pipeline::EtrnFrom;
use house::*;

#[tokio::test(start_paused = true)]
async fn whose_mail_it_is_may_ask_for_it_and_nobody_else() {
    let (mut house, queue) = house([]).holding();
    let customer = "192.0.2.7/32".parse().expect("a network");
    house.etrn = EtrnFrom::new([("d.example", vec![customer])]);
    let mut session = house.session().await;
    let domain = |name: &str| Etrn::Domain(name.into());
    let mut ask = async |whose: Etrn| session.say(Question::Etrn(whose)).await;

    assert_eq!(ask(domain("d.example")).await, "251 2.0.0 No mail waits for d.example");
    assert!(lines(&queue.orders).is_empty());
    queue.waits.lock().unwrap().insert("d.example".into(), (3, 2));
    let started = "253 2.0.0 2 waiting mails for d.example are tried now";
    assert_eq!(ask(domain("d.example")).await, started);
    assert_eq!(ask(Etrn::Below("d.example".into())).await, started);
    assert_eq!(lines(&queue.orders), ["Flush d.example", "Flush d.example"]);
    queue.waits.lock().unwrap().insert("d.example".into(), (3, 0));
    assert!(ask(domain("d.example")).await.starts_with("250 2.0.0 "));
    lines(&queue.orders);

    for whose in [
        domain("e.example"),
        domain("there.example"),
        Etrn::Below("example".into()),
    ] {
        let reply = ask(whose.clone()).await;
        // Of all that lies below `example` it may ask for its own.
        let own = matches!(whose, Etrn::Below(_));
        assert_eq!(reply.starts_with("459 4.7.1 "), !own, "{whose:?}: {reply}");
    }
    assert_eq!(lines(&queue.orders), ["Flush d.example"]);
    assert!(ask(Etrn::Queue("d.example".into())).await.starts_with("458 4.3.0 "));
}

#[tokio::test(start_paused = true)]
async fn nobody_may_ask_where_nobody_was_named() {
    let (house, queue) = house([]).holding();
    queue.waits.lock().unwrap().insert("d.example".into(), (1, 1));
    let mut session = house.session().await;
    let reply = session.say(Question::Etrn(Etrn::Domain("d.example".into()))).await;
    assert!(reply.starts_with("459 4.7.1 "), "{reply}");
    assert!(lines(&queue.orders).is_empty());
}

#[tokio::test(start_paused = true)]
async fn whoever_has_all_below_a_domain_asks_for_it_by_its_name() {
    let (mut house, queue) = house([]).holding();
    let network = |text: &str| vec![text.parse().expect("a network")];
    house.etrn = EtrnFrom::new([
        (".d.example", network("192.0.2.7/32")),
        ("own.d.example", network("198.51.100.1/32")),
    ]);
    let mut session = house.session().await;
    let below = |name: &str| Question::Etrn(Etrn::Below(name.into()));
    assert_eq!(
        session.say(below("d.example")).await,
        "251 2.0.0 No mail waits for d.example"
    );
    {
        let mut waits = queue.waits.lock().unwrap();
        waits.insert("a.d.example".into(), (3, 2));
        waits.insert("b.a.d.example".into(), (1, 1));
        waits.insert("own.d.example".into(), (5, 5));
        waits.insert("bad.example".into(), (5, 5));
        waits.insert("d.example".into(), (5, 5));
    }
    let reply = session.say(below("D.example")).await;
    assert_eq!(reply, "253 2.0.0 3 waiting mails for D.example are tried now");
    assert_eq!(
        lines(&queue.orders),
        ["Flush a.d.example", "Flush b.a.d.example"],
        "and nobody else's"
    );
    let reply = session.say(below("a.d.example")).await;
    assert_eq!(reply, "253 2.0.0 3 waiting mails for a.d.example are tried now");
    assert!(session.say(below("c.d.example")).await.starts_with("251 "));
    for name in ["own.d.example", "e.example"] {
        assert!(session.say(below(name)).await.starts_with("459 4.7.1 "), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_stranger_has_all_domains_listed() {
    for (network, listed) in [("198.51.100.1/32", 0), ("192.0.2.7/32", 1)] {
        let (mut house, queue) = house([]).holding();
        house.etrn = EtrnFrom::new([(".d.example", vec![network.parse().expect("a network")])]);
        let mut session = house.session().await;
        let reply = session.say(Question::Etrn(Etrn::Below("D.example".into()))).await;
        assert_eq!(reply.starts_with("459 4.7.1 "), listed == 0, "{reply}");
        assert_eq!(
            queue.listed.load(std::sync::atomic::Ordering::SeqCst),
            listed,
            "{network}"
        );
    }
}
