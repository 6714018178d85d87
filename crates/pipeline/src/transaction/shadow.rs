//! In a dry run: what would have become of a mail, written into its record.
//!
//! **Invariant:** what is written is what the same policy in force would have done, to each recipient and by what it would
//! have done to the others: one who is turned away at RCPT never gets to the dot, one reply is for all unless the sender hears
//! about each (PRDR), and where some get the mail, the others' copies are held and not refused. So what `gatepost shadow` counts is what would have been counted.

use gatepost_core::Fate;

use super::Transaction;
use crate::judge::{Judgement, Overruled};
use crate::settle;

impl Transaction {
    /// Writes down that a recipient would have been turned away at RCPT.
    pub(super) fn tell_overruled(&mut self, row: Option<usize>, overruled: Option<&Overruled>) {
        if let Some(overruled) = overruled {
            self.write(row, |row| {
                row.would = Some(overruled.fate.name().into());
                row.because.clone_from(&overruled.because);
            });
        }
    }

    /// Writes down what the reply to all would have done to each whom the mail is delivered to in a dry run.
    pub(super) fn foretell(&mut self, judgements: &[Judgement]) {
        let guests = self.guests.iter().enumerate();
        let there: Vec<(usize, &Judgement)> = guests
            .filter(|(_, guest)| guest.turned_away.is_none())
            .filter_map(|(n, _)| Some((n, judgements.get(n)?)))
            .collect();
        if there.iter().all(|(_, judgement)| judgement.would.is_none()) {
            return;
        }
        let fates: Vec<&Fate> = there.iter().map(|(_, judgement)| judgement.intended()).collect();
        let shared = match self.envelope.params.prdr && there.len() > 1 {
            true => fates.iter().map(|fate| fate.name()).collect(),
            false => settle::shared(&fates),
        };
        let rows: Vec<(Option<usize>, &'static str)> = there
            .iter()
            .zip(shared)
            .filter(|((_, judgement), _)| judgement.is_dry)
            .map(|((n, _), fate)| (self.row(*n), fate))
            .collect();
        for (row, fate) in rows {
            self.write(row, |row| row.would = (row.fate != fate).then(|| fate.into()));
        }
    }
}
