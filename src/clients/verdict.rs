//! Whether a client would go on working with brokers of another release.

use super::libraries::{Likely, likely};
use super::row::{Row, Use};
use super::table::{Key, OTHERS};
use crate::guard::time::Millis;
use crate::protocol::versions::VersionRange;
use crate::releases::apis::{self, Accepted};
use crate::releases::{Mode, Version};
use crate::wire::api;

/// What would become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Breaks,
    CannotTell,
    Fine,
}

impl Verdict {
    pub fn label(self) -> &'static str {
        match self {
            Verdict::Breaks => "breaks",
            Verdict::CannotTell => "cannot tell",
            Verdict::Fine => "fine",
        }
    }
}

/// Why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The API and the version of it that this is about.
    pub used: Option<(i16, i16)>,
    /// What the release takes of it.
    pub taken: Option<VersionRange>,
    pub text: String,
    /// When it was last seen.
    pub last: Millis,
}

/// A verdict and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    pub verdict: Verdict,
    pub reasons: Vec<Reason>,
    pub likely: Option<Likely>,
}

/// The first version of Produce without the message formats v0 and v1.
const PRODUCE_V2_FORMAT_SINCE: i16 = 3;
/// APIs that every client has used before it does anything: that they are taken proves nothing.
const PRELUDE: [i16; 5] = [api::API_VERSIONS, api::SASL_HANDSHAKE, api::SASL_AUTHENTICATE, api::METADATA, api::FIND_COORDINATOR];

/// What would become of the clients of this row in front of brokers of `target`.
pub fn judge(key: &Key, row: &Row, target: Version) -> Judgement {
    let likely = likely(key, row);
    let found: Vec<(Verdict, Reason)> = row.uses.iter().filter_map(|used| of_use(row, used, target)).collect();
    let of = |verdict| found.iter().filter(|(of, _)| *of == verdict).map(|(_, reason)| reason.clone()).collect::<Vec<_>>();
    let (breaks, unclear) = (of(Verdict::Breaks), of(Verdict::CannotTell));
    if !breaks.is_empty() {
        return Judgement { verdict: Verdict::Breaks, reasons: breaks, likely };
    }
    let is_four = target.release.major() >= 4;
    let known_new = is_four && likely.as_ref().and_then(Likely::is_new_enough) == Some(true);
    if !unclear.is_empty() && !known_new {
        return Judgement { verdict: Verdict::CannotTell, reasons: unclear, likely };
    }
    if known_new && !unclear.is_empty() {
        return fine(row, likely, "its library's version is one that these brokers serve");
    }
    if &*key.client_id == OTHERS {
        return judged(Verdict::CannotTell, row, likely, "many clients in one row; what was seen of them would be taken");
    }
    if row.uses.iter().any(|used| !PRELUDE.contains(&used.api_key)) {
        return fine(row, likely, "every version that it chose would be taken");
    }
    if known_new {
        return fine(row, likely, "its library's version is one that these brokers serve");
    }
    judged(Verdict::CannotTell, row, likely, "it has only looked around (versions, metadata), and not produced or consumed")
}

fn fine(row: &Row, likely: Option<Likely>, text: &str) -> Judgement {
    judged(Verdict::Fine, row, likely, text)
}

fn judged(verdict: Verdict, row: &Row, likely: Option<Likely>, text: &str) -> Judgement {
    Judgement { verdict, reasons: vec![Reason { used: None, taken: None, text: text.to_owned(), last: row.last }], likely }
}

/// What one version that was used says; nothing where it would be taken.
fn of_use(row: &Row, used: &Use, target: Version) -> Option<(Verdict, Reason)> {
    if used.api_key == api::API_VERSIONS {
        // A broker answers a version that it does not know, and says which it does (KIP-511).
        return None;
    }
    let modes = || Mode::ALL.into_iter().filter(|mode| target.release.runs_in(*mode));
    let answers: Vec<Accepted> = modes().map(|mode| apis::accepts(target, mode, used.api_key, used.version)).collect();
    if answers.iter().all(|answer| *answer == Accepted::Yes) {
        return None;
    }
    let taken = modes().find_map(|mode| apis::range(target.release, mode, used.api_key));
    let reason = |text: String| Reason { used: Some((used.api_key, used.version)), taken, text, last: used.last };
    let name = api::name(used.api_key);
    if let Some(who) = answers.iter().find_map(|answer| if let Accepted::Depends(who) = answer { Some(who) } else { None }) {
        // One that asks does not use what is not offered.
        return (row.asked.is_none() || used.own).then(|| (Verdict::CannotTell, reason(format!("{name} v{} is taken only by {who}", used.version))));
    }
    if answers.contains(&Accepted::Yes) {
        return Some((Verdict::CannotTell, reason(format!("{name} v{} is taken in one of ZooKeeper and KRaft mode only", used.version))));
    }
    let Some(range) = taken else {
        return Some(gone(used, target, name, reason));
    };
    if used.version > range.max {
        let text = format!("{target} takes {name} only up to v{}, and it does not ask what is offered", range.max);
        return row.asked.is_none().then(|| (Verdict::CannotTell, reason(text)));
    }
    let format = if used.api_key == api::PRODUCE && used.version < PRODUCE_V2_FORMAT_SINCE { " (and with it the message formats v0 and v1)" } else { "" };
    if used.own {
        return Some((Verdict::Breaks, reason(format!("{name} v{}{format} was removed, {target} takes v{} and later", used.version, range.min))));
    }
    let knows_newer = row.uses.iter().any(|other| other.api_key == used.api_key && (range.min..=range.max).contains(&other.version));
    (!knows_newer).then(|| (Verdict::CannotTell, reason(format!("{name} v{} was removed, but it was the highest that this cluster offers", used.version))))
}

/// An API that the release does not have at all.
fn gone(used: &Use, target: Version, name: &str, reason: impl Fn(String) -> Reason) -> (Verdict, Reason) {
    let was_there = apis::keys().any(|key| key == used.api_key)
        && Mode::ALL.into_iter().any(|mode| apis::range(crate::releases::Release::OLDEST, mode, used.api_key).is_some());
    if was_there {
        return (Verdict::Breaks, reason(format!("{name} was removed, {target} does not have it")));
    }
    (Verdict::CannotTell, reason(format!("{target} does not have {name}; whether the client can do without is not known")))
}
