//! Which versions of which APIs this client speaks, and which of them a connection uses.

use super::ClientError;
use crate::protocol::versions::Offer;
use crate::wire::api;

/// Key, oldest and newest version that this client fills in rightly. The newest are those in which partitions still go by topic name and groups one at a time.
const SPOKEN: [(i16, i16, i16); 13] = [
    (api::PRODUCE, 3, 12),
    (api::FETCH, 4, 12),
    (api::METADATA, 4, 12),
    (8, 2, 9),
    (9, 1, 7),
    (api::FIND_COORDINATOR, 1, 3),
    (11, 2, 9),
    (12, 0, 4),
    (13, 0, 2),
    (14, 0, 5),
    (api::API_VERSIONS, 0, 3),
    (19, 2, 7),
    (22, 0, 4),
];

/// The newest version of `key` that both sides speak.
pub(super) fn choose(offer: &Offer, key: i16) -> Result<i16, ClientError> {
    let missing = ClientError::NoVersion { api: api::name(key) };
    let Some((_, oldest, newest)) = SPOKEN.iter().find(|spoken| spoken.0 == key) else { return Err(missing) };
    let Some(range) = offer.range(key) else { return Err(missing) };
    let version = range.max.min(*newest);
    if version >= range.min.max(*oldest) { Ok(version) } else { Err(missing) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::versions::VersionRange;

    #[test]
    fn the_newest_common_version_is_chosen() {
        let range = |api_key, min, max| VersionRange { api_key, min, max };
        let offer = Offer {
            ranges: vec![range(api::PRODUCE, 0, 7), range(api::FETCH, 4, 18), range(api::METADATA, 13, 14), range(11, 0, 1)],
            supported_features: vec![],
            finalized_epoch: -1,
            finalized_features: vec![],
            zk_migration_ready: false,
        };
        assert_eq!(choose(&offer, api::PRODUCE).ok(), Some(7));
        assert_eq!(choose(&offer, api::FETCH).ok(), Some(12));
        for neither in [api::METADATA, 11, 19] {
            assert!(choose(&offer, neither).is_err(), "{neither}");
        }
    }
}
