//! Scoring and learning at once is scoring, then learning: the same words and the same models, bit for bit.

use std::sync::Arc;

use gatepost_core::{Domain, Label, Learner, Message, Sample, Seed, Time};
use gatepost_testkit::letters::Letters;

fn models() -> Vec<Arc<dyn Learner>> {
    let seed = Seed::new([5; 16]);
    vec![
        Arc::new(gatepost_bayes::Model::new(seed)),
        Arc::new(gatepost_hmm::model::Model::new(seed)),
        Arc::new(gatepost_ngram::model::Model::new(seed)),
    ]
}

#[test]
fn a_model_that_scores_and_learns_at_once_says_and_learns_the_same() {
    let (apart, at_once) = (models(), models());
    let domain = Domain::parse("d.example", true).unwrap();
    for (n, letter) in (0u64..).zip(Letters::new(9).take(200)) {
        let message = Message::from_bytes(letter.octets);
        // Whose mail it is may be told to the score, to the sample, to both, to neither.
        let asked = (n % 2 == 0).then_some(&domain);
        let whose = (n % 3 == 0).then(|| "d.example".to_owned());
        let label = if letter.spam { Label::Spam } else { Label::Ham };
        let mut sample = Sample::new(n, Time::from_millis(n), label, whose);
        sample.weight = [100, 30, 200, 0][n as usize % 4];
        for (apart, at_once) in apart.iter().zip(&at_once) {
            let features = apart.features(&message);
            let said = apart.score(&features, asked);
            apart.learn(&features, &sample);
            assert_eq!(at_once.score_then_learn(&features, asked, &sample), said, "{n}");
        }
    }
    for (apart, at_once) in apart.iter().zip(&at_once) {
        assert!(apart.save() == at_once.save());
    }
}
