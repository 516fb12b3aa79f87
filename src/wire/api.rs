//! The one table of API keys: names, versions, header forms, where a request has to go, and where its response keeps an error code.
//!
//! Sources: `*Request.json` and `*Response.json` of Kafka 2.1 to 4.4, `ApiKeys.java`, `KafkaApis.scala`.

/// Which broker can answer a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// The leader of each partition named.
    Leader,
    /// The coordinator of the group named.
    GroupCoordinator,
    /// The coordinator of the transactional id named; any broker where there is none.
    TransactionCoordinator,
    /// Any broker.
    Any,
    /// The very broker that was addressed.
    Node,
    /// The active controller with ZooKeeper; any broker with KRaft, which forwards.
    Controller,
    /// Any broker: it forwards to the controller in both modes. Resources of one broker go to that broker.
    ForwardedController,
    /// Bound to the connection.
    Connection,
    /// The broker that the connection began with (its state lives in that broker's memory).
    Sticky,
    /// Between brokers and controllers: a client has no business with it, Leeward refuses it as a client listener does.
    Internal,
}

/// Where a response keeps its top-level error code: the first field, or the second behind INT32 `ThrottleTimeMs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TopError {
    since: i16,
    throttle_since: i16,
    until: i16,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Api {
    pub key: i16,
    /// As in `ApiKeys.java`; the label of metrics.
    pub name: &'static str,
    /// The lowest version that any broker from 2.1 to 4.4 offers.
    pub min_version: i16,
    /// The highest stable version of Kafka 4.4.
    pub max_version: i16,
    pub route: Route,
    flexible_since: i16,
    top_error: Option<TopError>,
}

impl Api {
    /// The row of `key`; `None` for a key that Leeward does not know, which passes untouched.
    pub fn of(key: i16) -> Option<&'static Api> {
        usize::try_from(key).ok().and_then(|index| APIS.get(index))
    }

    /// Every row, by key.
    pub fn all() -> &'static [Api] {
        &APIS
    }

    /// Whether `version` has compact types and tagged fields (KIP-482). True for versions newer than those known.
    pub fn is_flexible(&self, version: i16) -> bool {
        version >= self.flexible_since
    }

    /// Offset in the response's body of its top-level INT16 error code, where that version has one at a fixed place.
    pub fn top_error_offset(&self, version: i16) -> Option<usize> {
        let top = self.top_error?;
        (top.since..=top.until).contains(&version).then_some(if version >= top.throttle_since { 4 } else { 0 })
    }
}

/// The name of `key` for logs and labels; keys that Leeward does not know share one.
pub fn name(key: i16) -> &'static str {
    Api::of(key).map_or("Unknown", |api| api.name)
}

/// 0, 1 or 2. A key that Leeward does not know is read as v1: the fields up to the client id are the same in v2.
pub fn request_header_version(key: i16, version: i16) -> i16 {
    if (key, version) == (CONTROLLED_SHUTDOWN, 0) {
        return 0;
    }
    match Api::of(key) {
        Some(api) if api.is_flexible(version) => 2,
        Some(_) | None => 1,
    }
}

/// 0 or 1. ApiVersions stays at 0 so that a client can read an answer of a version that it does not know (KIP-511).
pub fn response_header_version(key: i16, version: i16) -> i16 {
    match Api::of(key) {
        Some(api) if api.is_flexible(version) && key != API_VERSIONS => 1,
        Some(_) | None => 0,
    }
}

/// Whether a request that may have been applied can be sent again without harm: reads, and writes that say the same twice.
///
/// Sources: `TransactionCoordinator`, `GroupMetadataManager`; protocol.md 3.3. AddPartitionsToTxn, AddOffsetsToTxn and EndTxn are repeated only where the broker
/// checks the producer's epoch (transaction version 2, which is EndTxn v5 and later).
pub fn repeats_after_ambiguity(key: i16, version: i16) -> bool {
    match key {
        // Bound to a connection or a session, or decided batch by batch.
        PRODUCE | FETCH | SASL_HANDSHAKE | SASL_AUTHENTICATE | SHARE_FETCH | SHARE_ACKNOWLEDGE | 71 | 72 => false,
        // JoinGroup: before v4 one without a member id leaves a dead member behind.
        11 => version >= 4,
        26 => version >= 5,
        // LeaveGroup, AddPartitionsToTxn, AddOffsetsToTxn.
        13 | 24 | 25 => false,
        // What changes the cluster: topics, records, ACLs, configurations, tokens, groups, leaders, reassignments, quotas, features, brokers, offsets.
        19..=21 | 27 | 30 | 31 | 33 | 34 | 37..=40 | 42..=45 | 47 | 49 | 51 | 57 | 64 | 80 | 81 | 91..=94 => false,
        _ => Api::of(key).is_some_and(|api| api.route != Route::Internal),
    }
}

pub const PRODUCE: i16 = 0;
pub const FETCH: i16 = 1;
pub const LIST_OFFSETS: i16 = 2;
pub const METADATA: i16 = 3;
pub const CONTROLLED_SHUTDOWN: i16 = 7;
pub const FIND_COORDINATOR: i16 = 10;
pub const SASL_HANDSHAKE: i16 = 17;
pub const API_VERSIONS: i16 = 18;
pub const SASL_AUTHENTICATE: i16 = 36;
pub const INIT_PRODUCER_ID: i16 = 22;
pub const DESCRIBE_CLUSTER: i16 = 60;
pub const SHARE_FETCH: i16 = 78;
pub const SHARE_ACKNOWLEDGE: i16 = 79;

const NEVER: i16 = i16::MAX;
const LAST: i16 = i16::MAX;

const fn api(key: i16, name: &'static str, min_version: i16, max_version: i16, flexible_since: i16, route: Route, top_error: Option<TopError>) -> Api {
    Api { key, name, min_version, max_version, route, flexible_since, top_error }
}

const fn top(since: i16, throttle_since: i16, until: i16) -> Option<TopError> {
    Some(TopError { since, throttle_since, until })
}

/// Key, name, versions, first flexible version, route, and (since, with throttle since, until) of the top-level error.
#[rustfmt::skip]
static APIS: [Api; 95] = [
    api(0, "Produce", 0, 13, 9, Route::Leader, None),
    api(1, "Fetch", 0, 18, 12, Route::Leader, top(7, 1, LAST)),
    api(2, "ListOffsets", 0, 11, 6, Route::Leader, None),
    api(3, "Metadata", 0, 13, 9, Route::Any, None),
    api(4, "LeaderAndIsr", 0, 7, 4, Route::Internal, None),
    api(5, "StopReplica", 0, 4, 2, Route::Internal, None),
    api(6, "UpdateMetadata", 0, 8, 6, Route::Internal, None),
    api(7, "ControlledShutdown", 0, 3, 3, Route::Internal, None),
    api(8, "OffsetCommit", 0, 10, 8, Route::GroupCoordinator, None),
    api(9, "OffsetFetch", 0, 10, 6, Route::GroupCoordinator, None),
    api(10, "FindCoordinator", 0, 6, 3, Route::Any, top(0, 1, 3)),
    api(11, "JoinGroup", 0, 9, 6, Route::GroupCoordinator, top(0, 2, LAST)),
    api(12, "Heartbeat", 0, 4, 4, Route::GroupCoordinator, top(0, 1, LAST)),
    api(13, "LeaveGroup", 0, 5, 4, Route::GroupCoordinator, top(0, 1, LAST)),
    api(14, "SyncGroup", 0, 5, 4, Route::GroupCoordinator, top(0, 1, LAST)),
    api(15, "DescribeGroups", 0, 6, 5, Route::GroupCoordinator, None),
    api(16, "ListGroups", 0, 5, 3, Route::Node, top(0, 1, LAST)),
    api(17, "SaslHandshake", 0, 1, NEVER, Route::Connection, top(0, NEVER, LAST)),
    api(18, "ApiVersions", 0, 5, 3, Route::Connection, top(0, NEVER, LAST)),
    api(19, "CreateTopics", 0, 7, 5, Route::Controller, None),
    api(20, "DeleteTopics", 0, 6, 4, Route::Controller, None),
    api(21, "DeleteRecords", 0, 2, 2, Route::Leader, None),
    api(22, "InitProducerId", 0, 6, 2, Route::TransactionCoordinator, top(0, 0, LAST)),
    api(23, "OffsetForLeaderEpoch", 0, 4, 4, Route::Leader, None),
    api(24, "AddPartitionsToTxn", 0, 5, 3, Route::TransactionCoordinator, top(4, 0, LAST)),
    api(25, "AddOffsetsToTxn", 0, 4, 3, Route::TransactionCoordinator, top(0, 0, LAST)),
    api(26, "EndTxn", 0, 5, 3, Route::TransactionCoordinator, top(0, 0, LAST)),
    api(27, "WriteTxnMarkers", 0, 2, 1, Route::Leader, None),
    api(28, "TxnOffsetCommit", 0, 6, 3, Route::GroupCoordinator, None),
    api(29, "DescribeAcls", 0, 3, 2, Route::Any, top(0, 0, LAST)),
    api(30, "CreateAcls", 0, 3, 2, Route::ForwardedController, None),
    api(31, "DeleteAcls", 0, 3, 2, Route::ForwardedController, None),
    api(32, "DescribeConfigs", 0, 4, 4, Route::Node, None),
    api(33, "AlterConfigs", 0, 2, 2, Route::ForwardedController, None),
    api(34, "AlterReplicaLogDirs", 0, 2, 2, Route::Node, None),
    api(35, "DescribeLogDirs", 0, 5, 2, Route::Node, top(3, 0, LAST)),
    api(36, "SaslAuthenticate", 0, 2, 2, Route::Connection, top(0, NEVER, LAST)),
    api(37, "CreatePartitions", 0, 3, 2, Route::Controller, None),
    api(38, "CreateDelegationToken", 0, 3, 2, Route::ForwardedController, top(0, NEVER, LAST)),
    api(39, "RenewDelegationToken", 0, 2, 2, Route::ForwardedController, top(0, NEVER, LAST)),
    api(40, "ExpireDelegationToken", 0, 2, 2, Route::ForwardedController, top(0, NEVER, LAST)),
    api(41, "DescribeDelegationToken", 0, 3, 2, Route::Any, top(0, NEVER, LAST)),
    api(42, "DeleteGroups", 0, 3, 2, Route::GroupCoordinator, None),
    api(43, "ElectLeaders", 0, 2, 2, Route::Controller, top(1, 0, LAST)),
    api(44, "IncrementalAlterConfigs", 0, 1, 1, Route::ForwardedController, None),
    api(45, "AlterPartitionReassignments", 0, 1, 0, Route::Controller, top(0, 0, 0)),
    api(46, "ListPartitionReassignments", 0, 0, 0, Route::Controller, top(0, 0, LAST)),
    api(47, "OffsetDelete", 0, 0, NEVER, Route::GroupCoordinator, top(0, NEVER, LAST)),
    api(48, "DescribeClientQuotas", 0, 1, 1, Route::Any, top(0, 0, LAST)),
    api(49, "AlterClientQuotas", 0, 1, 1, Route::ForwardedController, None),
    api(50, "DescribeUserScramCredentials", 0, 0, 0, Route::Any, top(0, 0, LAST)),
    api(51, "AlterUserScramCredentials", 0, 0, 0, Route::Controller, None),
    api(52, "Vote", 0, 2, 0, Route::Internal, None),
    api(53, "BeginQuorumEpoch", 0, 1, 1, Route::Internal, None),
    api(54, "EndQuorumEpoch", 0, 1, 1, Route::Internal, None),
    api(55, "DescribeQuorum", 0, 2, 0, Route::Any, top(0, NEVER, LAST)),
    api(56, "AlterPartition", 0, 3, 0, Route::Internal, None),
    api(57, "UpdateFeatures", 0, 2, 0, Route::Controller, top(0, 0, LAST)),
    api(58, "Envelope", 0, 0, 0, Route::Internal, None),
    api(59, "FetchSnapshot", 0, 1, 0, Route::Internal, None),
    api(60, "DescribeCluster", 0, 2, 0, Route::Any, top(0, 0, LAST)),
    api(61, "DescribeProducers", 0, 0, 0, Route::Leader, None),
    api(62, "BrokerRegistration", 0, 4, 0, Route::Internal, None),
    api(63, "BrokerHeartbeat", 0, 2, 0, Route::Internal, None),
    api(64, "UnregisterBroker", 0, 0, 0, Route::Controller, top(0, 0, LAST)),
    api(65, "DescribeTransactions", 0, 0, 0, Route::TransactionCoordinator, None),
    api(66, "ListTransactions", 0, 2, 0, Route::Node, top(0, 0, LAST)),
    api(67, "AllocateProducerIds", 0, 0, 0, Route::Internal, None),
    api(68, "ConsumerGroupHeartbeat", 0, 1, 0, Route::GroupCoordinator, top(0, 0, LAST)),
    api(69, "ConsumerGroupDescribe", 0, 1, 0, Route::GroupCoordinator, None),
    api(70, "ControllerRegistration", 0, 0, 0, Route::Internal, None),
    api(71, "GetTelemetrySubscriptions", 0, 0, 0, Route::Sticky, top(0, 0, LAST)),
    api(72, "PushTelemetry", 0, 0, 0, Route::Sticky, top(0, 0, LAST)),
    api(73, "AssignReplicasToDirs", 0, 0, 0, Route::Internal, None),
    api(74, "ListConfigResources", 0, 1, 0, Route::Any, top(0, 0, LAST)),
    api(75, "DescribeTopicPartitions", 0, 0, 0, Route::Any, None),
    api(76, "ShareGroupHeartbeat", 1, 1, 0, Route::GroupCoordinator, top(0, 0, LAST)),
    api(77, "ShareGroupDescribe", 1, 1, 0, Route::GroupCoordinator, None),
    api(78, "ShareFetch", 1, 2, 0, Route::Leader, top(0, 0, LAST)),
    api(79, "ShareAcknowledge", 1, 2, 0, Route::Leader, top(0, 0, LAST)),
    api(80, "AddRaftVoter", 0, 1, 0, Route::Controller, top(0, 0, LAST)),
    api(81, "RemoveRaftVoter", 0, 0, 0, Route::Controller, top(0, 0, LAST)),
    api(82, "UpdateRaftVoter", 0, 0, 0, Route::Internal, None),
    api(83, "InitializeShareGroupState", 0, 0, 0, Route::Internal, None),
    api(84, "ReadShareGroupState", 0, 0, 0, Route::Internal, None),
    api(85, "WriteShareGroupState", 0, 1, 0, Route::Internal, None),
    api(86, "DeleteShareGroupState", 0, 0, 0, Route::Internal, None),
    api(87, "ReadShareGroupStateSummary", 0, 1, 0, Route::Internal, None),
    api(88, "StreamsGroupHeartbeat", 0, 1, 0, Route::GroupCoordinator, top(0, 0, LAST)),
    api(89, "StreamsGroupDescribe", 0, 1, 0, Route::GroupCoordinator, None),
    api(90, "DescribeShareGroupOffsets", 0, 1, 0, Route::GroupCoordinator, None),
    api(91, "AlterShareGroupOffsets", 0, 0, 0, Route::GroupCoordinator, top(0, 0, LAST)),
    api(92, "DeleteShareGroupOffsets", 0, 0, 0, Route::GroupCoordinator, top(0, 0, LAST)),
    api(93, "StreamsGroupTopologyDescriptionUpdate", 0, 0, 0, Route::GroupCoordinator, top(0, 0, LAST)),
    api(94, "UnregisterController", 0, 0, 0, Route::Controller, top(0, 0, LAST)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_indexed_by_key() {
        for (index, api) in Api::all().iter().enumerate() {
            assert_eq!(usize::try_from(api.key), Ok(index), "{}", api.name);
            assert!(api.min_version <= api.max_version, "{}", api.name);
        }
        assert_eq!(Api::of(-1), None);
        assert_eq!(Api::of(95), None);
    }

    #[test]
    fn header_versions_follow_the_flexible_version() {
        assert_eq!((request_header_version(0, 8), response_header_version(0, 8)), (1, 0));
        assert_eq!((request_header_version(0, 9), response_header_version(0, 9)), (2, 1));
        assert_eq!((request_header_version(API_VERSIONS, 9), response_header_version(API_VERSIONS, 9)), (2, 0));
        assert_eq!((request_header_version(SASL_HANDSHAKE, 1), response_header_version(SASL_HANDSHAKE, 1)), (1, 0));
        assert_eq!(request_header_version(CONTROLLED_SHUTDOWN, 0), 0);
        assert_eq!((request_header_version(999, 3), response_header_version(999, 3)), (1, 0));
    }

    #[test]
    fn top_errors_stand_where_the_schemas_put_them() {
        let offset = |key, version| Api::of(key).unwrap().top_error_offset(version);
        assert_eq!(offset(FETCH, 6), None);
        assert_eq!(offset(FETCH, 7), Some(4));
        assert_eq!(offset(11, 1), Some(0));
        assert_eq!(offset(11, 2), Some(4));
        assert_eq!(offset(FIND_COORDINATOR, 4), None);
        assert_eq!(offset(SASL_AUTHENTICATE, 2), Some(0));
    }
}
