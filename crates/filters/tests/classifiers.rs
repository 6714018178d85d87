//! The classifiers keep the laws of every filter, and their examples show what there is to set.

use gatepost_bayes::Bayes;
use gatepost_hmm::Hmm;
use gatepost_ngram::Ngram;
use gatepost_testkit::{config, laws};

#[test]
fn the_classifiers_keep_the_laws() {
    laws::filter::run::<Bayes>();
    laws::filter::run::<Hmm>();
    laws::filter::run::<Ngram>();
}

#[test]
fn the_examples_show_every_option() {
    config::example::<Bayes>(include_str!("../../../fixtures/config/bayes.toml"));
    config::example::<Hmm>(include_str!("../../../fixtures/config/hmm.toml"));
    config::example::<Ngram>(include_str!("../../../fixtures/config/ngram.toml"));
}
