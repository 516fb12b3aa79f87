//! What may be offered to a client: a routing proxy can send a request to any broker, so only what all of them take.

use std::collections::BTreeMap;

use super::{Feature, LAST_VERSION, Offer, VersionRange};
use crate::protocol::patch;
use crate::wire::{Api, Route, api};

/// What every broker and Leeward can do together; `None` without any broker.
///
/// For each key the highest minimum and the lowest maximum. Keys that one broker lacks are left out, and so are those between brokers. Keys that Leeward does not know pass as the brokers
/// offer them. Produce keeps the minimum 0 that brokers from 4.0 on list but refuse: librdkafka turns compression off otherwise (KAFKA-18659).
pub fn intersect<'a>(offers: impl Iterator<Item = &'a Offer>) -> Option<Offer> {
    let offers: Vec<&Offer> = offers.collect();
    let newest = offers.iter().max_by_key(|offer| offer.finalized_epoch)?;
    let mut offer = Offer {
        ranges: ranges(&offers),
        supported_features: supported(&offers),
        finalized_epoch: newest.finalized_epoch,
        finalized_features: newest.finalized_features.clone(),
        zk_migration_ready: offers.iter().all(|offer| offer.zk_migration_ready),
    };
    keep_transactions_consistent(&mut offer);
    Some(offer)
}

fn ranges(offers: &[&Offer]) -> Vec<VersionRange> {
    let for_clients = |key: i16| Api::of(key).is_none_or(|api| api.route != Route::Internal);
    let each = offers.iter().map(|offer| offer.ranges.iter().map(|range| (range.api_key, (range.min, range.max))).collect());
    let common = common(each).into_iter().filter(|(key, _)| for_clients(*key));
    let mut ranges: Vec<VersionRange> = common.map(|(api_key, (min, max))| VersionRange { api_key, min, max }).collect();
    for range in &mut ranges {
        // Leeward answers ApiVersions by itself.
        let last = if range.api_key == api::API_VERSIONS { Some(LAST_VERSION) } else { patch::last_version(range.api_key) };
        range.max = range.max.min(last.unwrap_or(i16::MAX));
    }
    ranges.retain(|range| range.min <= range.max);
    ranges
}

fn supported(offers: &[&Offer]) -> Vec<Feature> {
    let each = offers.iter().map(|offer| offer.supported_features.iter().map(|feature| (feature.name.as_str(), (feature.min, feature.max))).collect());
    common(each).into_iter().filter(|(_, (min, max))| min <= max).map(|(name, (min, max))| Feature { name: name.to_owned(), min, max }).collect()
}

/// The keys that all maps have, each with its highest minimum and lowest maximum.
fn common<K: Ord>(mut each: impl Iterator<Item = BTreeMap<K, (i16, i16)>>) -> BTreeMap<K, (i16, i16)> {
    let mut common = each.next().unwrap_or_default();
    for other in each {
        common.retain(|key, (min, max)| {
            let Some((other_min, other_max)) = other.get(key) else { return false };
            *min = (*min).max(*other_min);
            *max = (*max).min(*other_max);
            true
        });
    }
    common
}

const TRANSACTION_VERSION: &str = "transaction.version";
/// The level from which the leader adds partitions to a transaction by itself (KIP-890).
const IMPLICIT_PARTITIONS: i16 = 2;
/// The first versions that carry that way, by key.
const IMPLICIT_SINCE: [(i16, i16); 3] = [(api::PRODUCE, 12), (END_TXN, 5), (TXN_OFFSET_COMMIT, 5)];
const END_TXN: i16 = 26;
const TXN_OFFSET_COMMIT: i16 = 28;

/// Java goes by the finalized feature alone, franz-go by the versions too: offered in part, the two make INVALID_TXN_STATE. So all of it, or none.
fn keep_transactions_consistent(offer: &mut Offer) {
    let implicit = IMPLICIT_SINCE.iter().all(|(key, since)| offer.range(*key).is_none_or(|range| range.max >= *since));
    let finalized = offer.finalized_features.iter().any(|feature| feature.name == TRANSACTION_VERSION && feature.max >= IMPLICIT_PARTITIONS);
    if implicit || !finalized {
        return;
    }
    let cap = IMPLICIT_PARTITIONS - 1;
    for feature in offer.finalized_features.iter_mut().chain(&mut offer.supported_features).filter(|feature| feature.name == TRANSACTION_VERSION) {
        feature.max = feature.max.min(cap);
        feature.min = feature.min.min(cap);
    }
    for (key, since) in IMPLICIT_SINCE {
        for range in offer.ranges.iter_mut().filter(|range| range.api_key == key) {
            range.max = range.max.min(since - 1);
        }
    }
    offer.ranges.retain(|range| range.min <= range.max);
}
