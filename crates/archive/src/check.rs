//! Everything looked at: each file read whole, each entry followed. Nothing is changed.

use gatepost_core::{Fault, KeptId};

use crate::inner::{Inner, disk};
use crate::read::{self, ReadError};

/// Files that are read in one go on a thread.
const BATCH: usize = 16;
/// Entries that are read at a time.
const PAGE: usize = 1_000;
/// The most lines; what goes beyond is counted.
const LINES: usize = 1_000;

/// What a look at everything found.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Checked {
    /// Lines for the operator, the last one a sum.
    pub lines: Vec<String>,
    /// How many things are not as they should be; files of others that lie there are none of them.
    pub wrong: u64,
}

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    more: u64,
    wrong: u64,
}

impl Lines {
    fn wrong(&mut self, line: String) {
        self.wrong += 1;
        self.push(line);
    }

    fn push(&mut self, line: String) {
        if self.lines.len() < LINES {
            self.lines.push(line);
        } else {
            self.more += 1;
        }
    }
}

impl Inner {
    /// Reads every file and follows every entry; a line for each thing that is not as it should be, and one in the end.
    pub async fn check(&self) -> Result<Checked, Fault> {
        let (mut lines, mut files, mut octets) = (Lines::default(), 0u64, 0u64);
        let broken = |error| disk(&error, "checking the archive");
        let shards = self.on_files(|place| place.shards()).await?.map_err(broken)?;
        for path in &shards.strange {
            lines.push(format!("{} is not one of ours; it is left alone", path.display()));
        }
        for shard in shards.ours {
            let names = self.on_files(move |place| place.mails(&shard)).await?.map_err(broken)?;
            for path in &names.strange {
                lines.push(format!("{} is not one of ours; it is left alone", path.display()));
            }
            for some in names.ours.chunks(BATCH) {
                let ids: Vec<KeptId> = some.iter().map(|name| KeptId(name.as_str().into())).collect();
                for (id, read) in self.verified(ids).await? {
                    match read {
                        Ok(None) => {}
                        Ok(Some(head)) => {
                            files += 1;
                            octets = octets.saturating_add(head.mail.size);
                            self.check_rows(&id, &head, &mut lines).await?;
                        }
                        Err(error) => {
                            files += 1;
                            lines.wrong(format!("{} {error}", self.place.file(&id).display()));
                        }
                    }
                }
            }
        }
        self.check_entries(&mut lines).await?;
        if lines.more > 0 {
            lines.lines.push(format!("and {} more", lines.more));
        }
        lines
            .lines
            .push(format!("{files} kept mails, {octets} octets of messages"));
        Ok(Checked {
            lines: lines.lines,
            wrong: lines.wrong,
        })
    }

    async fn verified(
        &self,
        ids: Vec<KeptId>,
    ) -> Result<Vec<(KeptId, Result<Option<crate::form::Head>, ReadError>)>, Fault> {
        self.on_files(move |place| {
            let look = |id: &KeptId| {
                let Some(opened) = read::open(place, id)? else {
                    return Ok(None);
                };
                read::verify(&opened)?;
                Ok(Some(opened.head))
            };
            ids.into_iter()
                .map(|id| {
                    let read = look(&id);
                    (id, read)
                })
                .collect()
        })
        .await
    }

    async fn check_rows(&self, id: &KeptId, head: &crate::form::Head, lines: &mut Lines) -> Result<(), Fault> {
        // What somebody works on just now is not whole yet.
        let Some(_hold) = self.busy.try_hold(id) else {
            return Ok(());
        };
        let wanted = id.clone();
        if !self.on_files(move |place| place.is_there(&wanted)).await? {
            return Ok(());
        }
        let mut sheet = self.index.sheet_of(head);
        sheet.finished = true;
        let missing = self.index.missing_rows(id, &sheet).await?;
        let what = match self.index.sheet(id).await? {
            None => "is not in the index".to_owned(),
            Some(is) if is != sheet => "is in the index as something else".to_owned(),
            Some(_) if missing > 0 => format!("lacks {missing} of its entries in the index"),
            Some(_) => return Ok(()),
        };
        lines.wrong(format!(
            "{} {what}; the next start after an end that was not clean mends it",
            self.place.file(id).display()
        ));
        Ok(())
    }

    async fn check_entries(&self, lines: &mut Lines) -> Result<(), Fault> {
        let mut next = Vec::new();
        loop {
            let (page, more) = self.index.page(&next..b"", PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            next = [last.0.as_bytes(), b"\0"].concat();
            let ids: Vec<KeptId> = page.into_iter().map(|(id, _)| id).collect();
            let gone = self
                .on_files(move |place| ids.into_iter().filter(|id| !place.is_there(id)).collect::<Vec<_>>())
                .await?;
            for id in gone {
                if self.busy.try_hold(&id).is_some() {
                    lines.wrong(format!(
                        "the index has an entry for {id}, and there is no such file; whoever lists it next drops the entry"
                    ));
                }
            }
            if !more {
                break;
            }
        }
        Ok(())
    }
}
