//! The run that sends the daily reports, as the proxy's clock asks for it at the desk.
//!
//! `when` tells when to come next, in milliseconds since the epoch. `daily` sends a batch; the change names the cursor of
//! the next one, which stands behind `daily` then, and its lines are what could not be sent: it may be tried again at once,
//! since nothing is sent twice. `list` shows who gets one, a page at a time; `end` with such a line's place ends it.

use std::time::Duration;

use gatepost_core::{Acting, Change, Fault, Request};

use super::daily::{Daily, Standing};
use super::gather::Trouble;
use super::{House, How};

/// The filter whose requests these are.
pub const FILTER: &str = "command_mailbox";
/// How long one letter may take: a mail server that does not answer must not keep the others waiting. Where it is cut short,
/// nobody knows whether the mail server has it.
const LETTER: Duration = Duration::from_secs(40);
/// After this a batch ends, with a cursor: the desk waits no longer for one act than two minutes.
const BATCH_TIME: Duration = Duration::from_secs(60);

/// Does what a request asks, where it is one of these.
pub async fn handle(house: House<'_>, by: &Acting<'_>, request: &Request) -> Result<Option<Change>, Fault> {
    let Request::Other { filter, words } = request else {
        return Ok(None);
    };
    if filter != FILTER {
        return Ok(None);
    }
    let daily = house.daily();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Ok(Some(match words.as_slice() {
        ["when"] => Change::shown(vec![daily.next(by.at).await?.millis().to_string()]),
        ["daily"] => run(house, &daily, None).await?,
        ["daily", after] => run(house, &daily, Some(after)).await?,
        ["list"] => list(&daily, None).await?,
        ["list", after] => list(&daily, Some(after)).await?,
        ["end", place] => match daily.end(place).await? {
            true => Change::done("the daily report has ended"),
            false => Change::shown(vec!["there is no such daily report".into()]),
        },
        _ => return Ok(None),
    }))
}

async fn list(daily: &Daily, after: Option<&str>) -> Result<Change, Fault> {
    let (page, next) = daily.page(after).await?;
    let mut change = Change::shown(
        page.iter()
            .map(|row| format!("{}: {} days, for {}", row.place(), row.days, row.by.name))
            .collect(),
    );
    change.next = next;
    Ok(change)
}

async fn run(house: House<'_>, daily: &Daily, after: Option<&str>) -> Result<Change, Fault> {
    let clock = &house.services.clock;
    let begun = clock.now();
    let (page, next) = daily.page(after).await?;
    let mut change = Change::default();
    for (n, standing) in page.iter().enumerate() {
        match send(house, daily, standing).await {
            Ok(sent) => change.changed |= sent,
            Err(why) => change.lines.push(format!("not sent to {}: {why}", standing.to)),
        }
        let more = n + 1 < page.len();
        if more && clock.now().since(begun) > BATCH_TIME {
            change.next = Some(standing.place());
            return Ok(change);
        }
    }
    if next.is_none() {
        daily.ran(clock.now()).await?;
    }
    change.next = next;
    Ok(change)
}

/// Sends one report, if it is to be sent now; whether a letter left.
async fn send(house: House<'_>, daily: &Daily, standing: &Standing) -> Result<bool, String> {
    let now = house.services.clock.now();
    let told = |fault: Fault| fault.to_string();
    let Some(claim) = daily.claim(standing, now).await.map_err(told)? else {
        return Ok(false);
    };
    // From the hour of a day on, whenever the run then was: no mail falls between two reports.
    let days = claim.days.unwrap_or_default().max(standing.days);
    let since = house.hour.begin(house.hour.day(now).saturating_sub(days.into()));
    let how = How {
        even_empty: false,
        daily: true,
        note: "",
    };
    let letters = match house.letters(standing, since, how).await {
        Ok(letters) => letters,
        // Rights change, and so may the limit of requests an hour: it is asked again.
        Err(Trouble::Refused(why)) => {
            daily.give_back(&claim, now).await.map_err(told)?;
            return Err(why);
        }
        Err(Trouble::Fault(fault)) => {
            daily.give_back(&claim, now).await.map_err(told)?;
            return Err(fault.to_string());
        }
    };
    let (mut sent, mut wrong) = (false, None);
    for letter in letters {
        let posted = tokio::time::timeout(LETTER, house.services.post.send(letter)).await;
        let cut_short = || Fault::Unsure("the mail server did not answer in time, and may have it".into());
        match posted.unwrap_or_else(|_| Err(cut_short())) {
            Ok(()) => sent = true,
            Err(fault) => wrong = Some(fault),
        }
    }
    match wrong {
        None => Ok(sent),
        // Of several letters some are there: those are not sent again.
        Some(fault) => {
            if !sent && !matches!(fault, Fault::Unsure(_)) {
                daily.give_back(&claim, now).await.map_err(told)?;
            }
            Err(fault.to_string())
        }
    }
}
