//! Which releases a broker can be, from its answer to ApiVersions alone, and how that is known.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use super::apis::{self, ENVELOPE, JOIN_GROUP_MIN_OF_4_0_0};
use super::formats::{self, METADATA_VERSION};
use super::{Mode, Release};
use crate::protocol::versions::{Offer, VersionRange};
use crate::wire::api;

/// What a broker can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inference {
    /// `None`: it is no release of Apache Kafka that is known here, or something between answers for it.
    pub oldest: Option<Release>,
    /// `None` beside an oldest: it is later than the newest that is known here.
    pub newest: Option<Release>,
    /// Where it keeps its metadata; `None` while both are possible.
    pub mode: Option<Mode>,
    /// Sentences: what was seen and what follows from it.
    pub known_by: Vec<String>,
}

impl Inference {
    /// The release, where it can be one only.
    pub fn exact(&self) -> Option<Release> {
        self.oldest.filter(|_| self.oldest == self.newest)
    }

    fn unknown(why: String) -> Self {
        Self { oldest: None, newest: None, mode: None, known_by: vec![why] }
    }
}

impl fmt::Display for Inference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.oldest, self.newest) {
            (Some(oldest), Some(newest)) if oldest == newest => write!(f, "{oldest}"),
            (Some(oldest), Some(newest)) => write!(f, "{oldest} to {newest}"),
            (Some(oldest), None) => write!(f, "later than {oldest}"),
            (None, _) => f.write_str("unknown"),
        }
    }
}

/// What a broker offers, and what a release in a mode would.
type Candidate = (Release, Mode);

/// APIs whose names operators know best; evidence is taken from the first that tells.
const TELLING: [i16; 6] = [api::FETCH, api::PRODUCE, api::METADATA, api::LIST_OFFSETS, api::API_VERSIONS, JOIN_GROUP];
const JOIN_GROUP: i16 = 11;
/// LeaderAndIsr, StopReplica, UpdateMetadata and ControlledShutdown: ZooKeeper's brokers offer them, KRaft's do not.
const BETWEEN_BROKERS: RangeInclusive<i16> = LEADER_AND_ISR..=api::CONTROLLED_SHUTDOWN;
const LEADER_AND_ISR: i16 = 4;

/// An offer, made ready to be looked into many times.
struct Seen {
    /// By key; the first of two stands.
    ranges: BTreeMap<i16, VersionRange>,
    /// The highest level of metadata.version that is supported; `None` where none is told: by ZooKeeper's brokers, by KRaft's before 3.3, and in ApiVersions below 3.
    level: Option<i16>,
}

impl Seen {
    fn new(offer: &Offer) -> Self {
        let ranges = offer.ranges.iter().rev().map(|range| (range.api_key, *range)).collect();
        let level = offer.supported_features.iter().find(|feature| feature.name == METADATA_VERSION).map(|feature| feature.max);
        Self { ranges, level }
    }

    fn range(&self, api_key: i16) -> Option<VersionRange> {
        self.ranges.get(&api_key).copied()
    }
}

/// Which releases the broker that made `offer` can be.
pub fn infer(offer: &Offer) -> Inference {
    let offer = &Seen::new(offer);
    let candidates: Vec<Candidate> = candidates().filter(|candidate| fits(offer, *candidate)).collect();
    let (Some(oldest), Some(newest)) = (candidates.iter().map(|(release, _)| *release).min(), candidates.iter().map(|(release, _)| *release).max()) else {
        return without_candidate(offer);
    };
    let mut modes = Mode::ALL.into_iter().filter(|mode| candidates.iter().any(|(_, of)| of == mode));
    let mode = modes.next().filter(|_| modes.next().is_none());
    let mut known_by: Vec<String> =
        [at_least(offer, oldest), at_most(offer, newest), by_feature(offer), by_patch(offer, oldest)].into_iter().flatten().collect();
    known_by.extend(mode.map(|mode| by_mode(offer, mode)));
    Inference { oldest: Some(oldest), newest: Some(newest), mode, known_by }
}

fn candidates() -> impl Iterator<Item = Candidate> {
    Release::all().flat_map(|release| Mode::ALL.into_iter().filter(move |mode| release.runs_in(*mode)).map(move |mode| (release, mode)))
}

/// Whether a broker of this release and mode can have made the offer, with unstable versions switched on or off.
fn fits(offer: &Seen, candidate: Candidate) -> bool {
    let keys = || apis::keys().chain(offer.ranges.keys().copied());
    let fits_all = |unstable: bool| keys().all(|api_key| fits_in(offer, candidate, api_key, unstable));
    fits_feature(offer, candidate) && (fits_all(false) || fits_all(true))
}

fn fits_in(offer: &Seen, (release, mode): Candidate, api_key: i16, unstable: bool) -> bool {
    let unstable = apis::unstable(release, mode, api_key).filter(|_| unstable);
    match (offer.range(api_key), apis::listed(release, mode, api_key)) {
        (None, None) => unstable.is_none(),
        (None, Some(_)) => apis::varies(api_key),
        (Some(seen), None) => unstable == Some(seen.max) || api_key == ENVELOPE,
        (Some(seen), Some(known)) if apis::varies(api_key) => seen.max <= known.max,
        (Some(seen), Some(known)) => {
            let of_4_0_0 = (release, api_key, seen.min) == (Release::V4_0, JOIN_GROUP, JOIN_GROUP_MIN_OF_4_0_0);
            seen.max == unstable.unwrap_or(known.max) && (seen.min == known.min || of_4_0_0)
        }
    }
}

fn fits_feature(offer: &Seen, (release, mode): Candidate) -> bool {
    offer.level.is_none_or(|level| mode == Mode::KRaft && release.may_support_up_to(level))
}

/// The keys that do not vary, the most telling first, and those between brokers last.
fn firm_keys() -> impl Iterator<Item = i16> {
    let others = || apis::keys().filter(|key| !TELLING.contains(key) && !apis::varies(*key));
    TELLING.into_iter().chain(others().filter(|key| !BETWEEN_BROKERS.contains(key))).chain(others().filter(|key| BETWEEN_BROKERS.contains(key)))
}

/// The highest version of `api_key` in a release, over its modes, unstable ones left out; -1 without it.
fn highest(release: Release, api_key: i16) -> i16 {
    Mode::ALL.into_iter().filter_map(|mode| apis::listed(release, mode, api_key)).map(|range| range.max).max().unwrap_or(-1)
}

/// What shows that the broker is of `oldest` or later.
fn at_least(offer: &Seen, oldest: Release) -> Option<String> {
    let since = |max| move |api_key| Release::all().find(|release| highest(*release, api_key) >= max);
    let telling = |api_key: &i16| offer.range(*api_key).is_some_and(|range| oldest > Release::OLDEST && since(range.max)(*api_key) == Some(oldest));
    let api_key = firm_keys().find(telling)?;
    let range = offer.range(api_key)?;
    let before = Release::all().take_while(|release| *release < oldest).any(|release| highest(release, api_key) >= 0);
    let what = if before { format!("{} goes up to {}", api::name(api_key), range.max) } else { format!("{} is offered", api::name(api_key)) };
    Some(format!("{what}: {oldest} or later"))
}

/// What shows that the broker is of `newest` or earlier.
fn at_most(offer: &Seen, newest: Release) -> Option<String> {
    let next = Release::all().find(|release| *release > newest)?;
    let seen = |api_key: i16| offer.range(api_key).map_or(-1, |range| range.max);
    // In the mode of the broker the next release has more.
    let mode = if offer.range(LEADER_AND_ISR).is_some() { Mode::ZooKeeper } else { Mode::KRaft };
    let more = |api_key: &i16| apis::listed(next, mode, *api_key).is_some_and(|range| range.max > seen(*api_key));
    match firm_keys().find(more) {
        Some(api_key) if seen(api_key) >= 0 => Some(format!("{} goes no further than {}: {newest} or earlier", api::name(api_key), seen(api_key))),
        Some(api_key) => Some(format!("{} is not offered: {newest} or earlier", api::name(api_key))),
        None if mode == Mode::ZooKeeper && !next.runs_in(mode) => Some(format!("{} is offered: {newest} or earlier", api::name(LEADER_AND_ISR))),
        None => None,
    }
}

fn by_feature(offer: &Seen) -> Option<String> {
    let level = offer.level?;
    // The newer of two has it by itself, the older one with unstable versions switched on.
    let releases: Vec<&str> = Release::all().rev().filter(|release| release.may_support_up_to(level)).map(Release::name).collect();
    let named = formats::metadata_version_of(level).map_or_else(|| format!("level {level}"), |version| format!("{} (level {level})", version.name));
    Some(format!("supported {METADATA_VERSION} goes up to {named}: {}", releases.join(", or with unstable versions switched on ")))
}

/// 4.0.0 can be told from its later patches.
fn by_patch(offer: &Seen, oldest: Release) -> Option<String> {
    let range = offer.range(JOIN_GROUP)?;
    (oldest == Release::V4_0 && range.min == JOIN_GROUP_MIN_OF_4_0_0).then(|| format!("JoinGroup begins at {}: 4.0.0", range.min))
}

fn by_mode(offer: &Seen, mode: Mode) -> String {
    match (mode, offer.level) {
        (Mode::KRaft, Some(_)) => format!("it has the feature {METADATA_VERSION}: KRaft"),
        (Mode::KRaft, None) => format!("{} is not offered: KRaft", api::name(LEADER_AND_ISR)),
        (Mode::ZooKeeper, _) => format!("{} is offered: ZooKeeper", api::name(LEADER_AND_ISR)),
    }
}

/// Newer than what is known here, or something else altogether.
fn without_candidate(offer: &Seen) -> Inference {
    let newest = Release::NEWEST;
    let known = || firm_keys().filter_map(|api_key| Some((api_key, apis::listed(newest, Mode::KRaft, api_key)?)));
    let lacking = known().find(|(api_key, range)| offer.range(*api_key).is_none_or(|seen| seen.max < range.max));
    let above = known().find(|(api_key, range)| offer.range(*api_key).is_some_and(|seen| seen.max > range.max));
    let level = offer.level.filter(|level| newest.metadata_version().is_some_and(|version| *level > version.level));
    match (lacking, above, level) {
        (None, Some((api_key, range)), _) => {
            let seen = offer.range(api_key).map_or(-1, |seen| seen.max);
            let why = format!("{} goes up to {seen}, in {newest} it goes to {}", api::name(api_key), range.max);
            Inference { oldest: Some(newest), newest: None, mode: Some(Mode::KRaft), known_by: vec![why] }
        }
        (None, None, Some(level)) => {
            let why = format!("supported {METADATA_VERSION} goes up to level {level}, beyond that of {newest}");
            Inference { oldest: Some(newest), newest: None, mode: Some(Mode::KRaft), known_by: vec![why] }
        }
        (_, _, _) => Inference::unknown(contradiction(offer)),
    }
}

/// What no release has, or two APIs that no one release has together.
fn contradiction(offer: &Seen) -> String {
    const PERHAPS: &str = "it may be built from another source, or something in front of it answers";
    let seen = |api_key: i16| offer.range(api_key).map(|range| range.max);
    let said = |key: i16| seen(key).map_or_else(|| format!("{} is not offered", api::name(key)), |max| format!("{} goes up to {max}", api::name(key)));
    // The releases that have a key up to the version that was seen.
    let having = |key: i16| {
        let has = move |candidate: &Candidate| apis::listed(candidate.0, candidate.1, key).map(|range| range.max) == seen(key);
        candidates().filter(has).map(|(release, _)| release)
    };
    if let Some(key) = firm_keys().find(|key| having(*key).next().is_none()) {
        return format!("{}, which is so in no release from {} to {}; {PERHAPS}", said(key), Release::OLDEST, Release::NEWEST);
    }
    let since = firm_keys().filter_map(|key| Some((having(key).min()?, key))).max_by_key(|(release, _)| *release);
    let until = firm_keys().filter_map(|key| Some((having(key).max()?, key))).min_by_key(|(release, _)| *release);
    match (since, until) {
        (Some((since, at_least)), Some((until, at_most))) if since > until => {
            format!("{}, as in {since} and later, yet {}, as in {until} and earlier; {PERHAPS}", said(at_least), said(at_most))
        }
        (_, _) => format!("no release of Apache Kafka offers just these versions; {PERHAPS}"),
    }
}
