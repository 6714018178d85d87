//! The laws of a filter, on the test filter, and proof that they bite.

use std::sync::atomic::{AtomicU32, Ordering};

use gatepost_core::prelude::*;
use gatepost_testkit::laws;
use gatepost_testkit::told::Told;

#[test]
fn the_test_filter_keeps_the_laws() {
    laws::filter::run::<Told<false>>();
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", default, deny_unknown_fields)]
#[schemars(crate = "gatepost_core::schemars")]
struct Nothing {}

macro_rules! bad {
    ($name:ident, $phases:expr, |$cx:ident, $filter:ident| $body:expr) => {
        struct $name {
            calls: AtomicU32,
            store: gatepost_core::store::Store,
        }

        #[async_trait]
        impl Filter for $name {
            async fn mail(&self, $cx: &Context<'_>, _: &Path) -> Result<Opinion, Fault> {
                let $filter = self;
                let _ = (&$filter.store, $filter.calls.fetch_add(1, Ordering::Relaxed));
                $body
            }
        }

        impl FilterKind for $name {
            const NAME: &'static str = "bad";
            const ABOUT: &'static str = "Breaks a law";
            const PHASES: Phases = $phases;
            const MAY: Wishes = Wishes::NONE;
            type Config = Nothing;
            fn build(_: Nothing, services: &Services) -> Result<$name, BuildError> {
                Ok($name {
                    calls: AtomicU32::new(0),
                    store: services.store.clone(),
                })
            }
        }
    };
}

bad!(SpeaksOutOfTurn, Phases::HELO, |_cx, _it| Ok(Opinion::points(
    Tag::new("bad.x"),
    Score::ZERO,
    ""
)));
bad!(WishesTooMuch, Phases::MAIL, |_cx, _it| Ok(
    Opinion::none().wish(Wish::Hold)
));
bad!(SaysAnothersTag, Phases::MAIL, |_cx, _it| Ok(Opinion::points(
    Tag::new("badly.x"),
    Score::ZERO,
    ""
)));
bad!(RemembersInItself, Phases::MAIL, |_cx, it| Ok(Opinion::points(
    Tag::new("bad.x"),
    Score::points(it.calls.load(Ordering::Relaxed) as i32),
    ""
)));
bad!(TrustsTheStore, Phases::MAIL, |cx, it| {
    let value = it.store.get(b"k", cx.now()).await?;
    assert!(
        value.is_none_or(|value| value.len() == 1),
        "the store holds what I have never written"
    );
    Ok(Opinion::none())
});
bad!(WaitsForEver, Phases::MAIL, |_cx, _it| std::future::pending().await);

#[test]
#[should_panic(expected = "PHASES does not declare")]
fn a_filter_that_speaks_out_of_turn_is_found() {
    laws::filter::run::<SpeaksOutOfTurn>();
}

#[test]
#[should_panic(expected = "MAY does not declare")]
fn a_filter_that_wishes_too_much_is_found() {
    laws::filter::run::<WishesTooMuch>();
}

#[test]
#[should_panic(expected = "must be `bad.something`")]
fn a_filter_that_says_anothers_tag_is_found() {
    laws::filter::run::<SaysAnothersTag>();
}

#[test]
#[should_panic(expected = "must lose nothing")]
fn a_filter_that_remembers_in_itself_is_found() {
    laws::filter::run::<RemembersInItself>();
}

#[test]
#[should_panic(expected = "must not panic")]
fn a_filter_that_trusts_the_store_is_found() {
    laws::filter::run::<TrustsTheStore>();
}

#[test]
#[should_panic(expected = "must come to an end")]
fn a_filter_that_waits_for_ever_is_found() {
    laws::filter::run::<WaitsForEver>();
}
