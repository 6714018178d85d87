//! What is taken out of a mail is gone from it, in each reading of what is left, wherever it was hidden.

use gatepost_attachments::Config;
use gatepost_attachments::look::look;
use gatepost_attachments::opinion::{self, Audience};
use gatepost_attachments::rule::{Action, Side};
use gatepost_core::message::Edits;
use gatepost_core::{Message, Wish};
use serde_json::json;

use crate::{packed, places, table};

#[test]
fn a_program_that_is_taken_out_is_in_no_reading_of_what_is_left() {
    let options = json!({ "findings": {
        "blocked": { "action": "replace" }, "auto_macro": { "action": "strip" }, "known_bad": { "action": "strip" } } });
    let config: Config = serde_json::from_value(options).expect("options");
    let (policy, words) = (config.policy().expect("a policy"), config.words().expect("words"));
    let how = config.how().expect("bounds");
    let (mut left, mut count) = (Vec::new(), 0);
    for place in places() {
        let message = Message::from_bytes(place.mail("invoice.exe", &packed::program()));
        let contents = look(&message, &how, &|| false);
        let everybody = Audience {
            who: Vec::new(),
            people: Vec::new(),
        };
        let opinion = opinion::of(&policy, &words, &contents, false, &[everybody]);
        let edits: Vec<_> = opinion
            .wishes()
            .iter()
            .filter_map(|(_, _, wish)| match wish {
                Wish::Edit(edit) => Some(edit.clone()),
                _ => None,
            })
            .collect();
        let edited = Edits::from(edits).apply(&message).to_message();
        let contents = look(&edited, &how, &|| false);
        let takes_out = |action| matches!(action, Action::Strip | Action::Replace);
        let hits = policy.judge(&contents, Side::External, &[]);
        let again: Vec<_> = hits.iter().filter(|hit| takes_out(hit.action)).collect();
        count += 1;
        if !again.is_empty() {
            let told: Vec<_> = again.iter().map(|hit| format!("{}: {}", hit.rule, hit.why)).collect();
            left.push(format!("{place}: {told:?}"));
        }
    }
    assert!(count > 2_000, "{count}");
    assert!(left.is_empty(), "still there: {}", table(&left));
}
