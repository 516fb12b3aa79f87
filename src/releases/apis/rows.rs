//! The rows of the table: for each API key since which release ZooKeeper's brokers and KRaft's brokers offer it, and the releases in which its versions changed.
//!
//! Made from `validVersions`, `listeners` and `latestVersionUnstable` of `clients/src/main/resources/common/message/*Request.json` on Kafka's branches 2.2 to 3.9, and from
//! `ApiKeys` in the published kafka-clients 2.1.0, 3.9.1, 4.0.0, 4.0.1, 4.1.0, 4.2.0, 4.3.1 and 4.4.0. The tags of 2.2.0 to 3.4.0 say the same as their branches.
//! Held against running brokers of every line, each API with both ends: ZooKeeper's of 2.1.0, 2.2.2, 2.3.1, 2.4.1, 2.5.1, 2.6.3, 2.7.2, 2.8.2, 3.2.3, 3.4.1, 3.7.2 and 3.9.1, KRaft's of
//! 3.0.2, 3.1.2, 3.2.3, 3.3.2, 3.4.1, 3.5.2, 3.6.2, 3.8.1, 3.9.1, 4.0.0, 4.1.1, 4.2.0, 4.3.1 and 4.4.0. The only differences are the two that `apis` names: JoinGroup in 4.0.0, Envelope in
//! 3.0 and 3.1.

use super::Row;
use crate::releases::Release::{self, *};

const fn row(api_key: i16, zookeeper_since: Option<Release>, kraft_since: Option<Release>, steps: &'static [(Release, i16, i16)]) -> Row {
    Row { api_key, zookeeper_since, kraft_since, steps }
}

/// By key: offered in ZooKeeper mode since, in KRaft mode since, and (since, lowest, highest) version that is accepted.
#[rustfmt::skip]
pub(super) static ROWS: [Row; 86] = [
    row(0, Some(V2_1), Some(V3_0), &[(V2_1, 0, 7), (V2_4, 0, 8), (V2_8, 0, 9), (V3_7, 0, 10), (V3_8, 0, 11), (V4_0, 3, 12), (V4_1, 3, 13)]),
    row(1, Some(V2_1), Some(V3_0), &[(V2_1, 0, 10), (V2_3, 0, 11), (V2_7, 0, 12), (V3_1, 0, 13), (V3_5, 0, 15), (V3_7, 0, 16), (V3_9, 0, 17), (V4_0, 4, 17), (V4_1, 4, 18)]),
    row(2, Some(V2_1), Some(V3_0), &[(V2_1, 0, 4), (V2_2, 0, 5), (V2_8, 0, 6), (V3_0, 0, 7), (V3_5, 0, 8), (V3_9, 0, 9), (V4_0, 1, 10), (V4_2, 1, 11)]),
    row(3, Some(V2_1), Some(V3_0), &[(V2_1, 0, 7), (V2_3, 0, 8), (V2_4, 0, 9), (V2_8, 0, 11), (V3_1, 0, 12), (V4_0, 0, 13)]),
    row(4, Some(V2_1), None, &[(V2_1, 0, 1), (V2_2, 0, 2), (V2_4, 0, 4), (V2_8, 0, 5), (V3_2, 0, 6), (V3_4, 0, 7)]),
    row(5, Some(V2_1), None, &[(V2_1, 0, 0), (V2_2, 0, 1), (V2_4, 0, 2), (V2_6, 0, 3), (V3_4, 0, 4)]),
    row(6, Some(V2_1), None, &[(V2_1, 0, 4), (V2_2, 0, 5), (V2_4, 0, 6), (V2_8, 0, 7), (V3_4, 0, 8)]),
    row(7, Some(V2_1), None, &[(V2_1, 0, 1), (V2_2, 0, 2), (V2_4, 0, 3)]),
    row(8, Some(V2_1), Some(V3_0), &[(V2_1, 0, 6), (V2_3, 0, 7), (V2_4, 0, 8), (V3_7, 0, 9), (V4_0, 2, 9), (V4_2, 2, 10)]),
    row(9, Some(V2_1), Some(V3_0), &[(V2_1, 0, 5), (V2_4, 0, 6), (V2_5, 0, 7), (V3_0, 0, 8), (V3_7, 0, 9), (V4_0, 1, 9), (V4_2, 1, 10)]),
    row(10, Some(V2_1), Some(V3_0), &[(V2_1, 0, 2), (V2_4, 0, 3), (V3_0, 0, 4), (V3_8, 0, 5), (V3_9, 0, 6)]),
    row(11, Some(V2_1), Some(V3_0), &[(V2_1, 0, 3), (V2_2, 0, 4), (V2_3, 0, 5), (V2_4, 0, 6), (V2_5, 0, 7), (V3_2, 0, 9)]),
    row(12, Some(V2_1), Some(V3_0), &[(V2_1, 0, 2), (V2_3, 0, 3), (V2_4, 0, 4)]),
    row(13, Some(V2_1), Some(V3_0), &[(V2_1, 0, 2), (V2_4, 0, 4), (V3_2, 0, 5)]),
    row(14, Some(V2_1), Some(V3_0), &[(V2_1, 0, 2), (V2_3, 0, 3), (V2_4, 0, 4), (V2_5, 0, 5)]),
    row(15, Some(V2_1), Some(V3_0), &[(V2_1, 0, 2), (V2_3, 0, 3), (V2_4, 0, 5), (V4_0, 0, 6)]),
    row(16, Some(V2_1), Some(V3_0), &[(V2_1, 0, 2), (V2_4, 0, 3), (V2_6, 0, 4), (V3_8, 0, 5)]),
    row(17, Some(V2_1), Some(V3_0), &[(V2_1, 0, 1)]),
    row(18, Some(V2_1), Some(V3_0), &[(V2_1, 0, 2), (V2_4, 0, 3), (V3_9, 0, 4), (V4_4, 0, 5)]),
    row(19, Some(V2_1), Some(V3_0), &[(V2_1, 0, 3), (V2_4, 0, 5), (V2_7, 0, 6), (V2_8, 0, 7), (V4_0, 2, 7)]),
    row(20, Some(V2_1), Some(V3_0), &[(V2_1, 0, 3), (V2_4, 0, 4), (V2_7, 0, 5), (V2_8, 0, 6), (V4_0, 1, 6)]),
    row(21, Some(V2_1), Some(V3_0), &[(V2_1, 0, 1), (V2_6, 0, 2)]),
    row(22, Some(V2_1), Some(V3_0), &[(V2_1, 0, 1), (V2_4, 0, 2), (V2_5, 0, 3), (V2_7, 0, 4), (V3_8, 0, 5)]),
    row(23, Some(V2_1), Some(V3_0), &[(V2_1, 0, 2), (V2_3, 0, 3), (V2_8, 0, 4), (V4_0, 2, 4)]),
    row(24, Some(V2_1), Some(V3_0), &[(V2_1, 0, 1), (V2_7, 0, 2), (V2_8, 0, 3), (V3_6, 0, 4), (V3_8, 0, 5)]),
    row(25, Some(V2_1), Some(V3_0), &[(V2_1, 0, 1), (V2_7, 0, 2), (V2_8, 0, 3), (V3_8, 0, 4)]),
    row(26, Some(V2_1), Some(V3_0), &[(V2_1, 0, 1), (V2_7, 0, 2), (V2_8, 0, 3), (V3_8, 0, 4), (V4_0, 0, 5)]),
    row(27, Some(V2_1), Some(V3_0), &[(V2_1, 0, 0), (V2_8, 0, 1), (V4_0, 1, 1), (V4_2, 1, 2)]),
    row(28, Some(V2_1), Some(V3_0), &[(V2_1, 0, 2), (V2_5, 0, 3), (V3_8, 0, 4), (V4_0, 0, 5), (V4_4, 0, 6)]),
    row(29, Some(V2_1), Some(V3_0), &[(V2_1, 0, 1), (V2_5, 0, 2), (V3_3, 0, 3), (V4_0, 1, 3)]),
    row(30, Some(V2_1), Some(V3_0), &[(V2_1, 0, 1), (V2_5, 0, 2), (V3_3, 0, 3), (V4_0, 1, 3)]),
    row(31, Some(V2_1), Some(V3_0), &[(V2_1, 0, 1), (V2_5, 0, 2), (V3_3, 0, 3), (V4_0, 1, 3)]),
    row(32, Some(V2_1), Some(V3_0), &[(V2_1, 0, 2), (V2_6, 0, 3), (V2_8, 0, 4), (V4_0, 1, 4)]),
    row(33, Some(V2_1), Some(V3_0), &[(V2_1, 0, 1), (V2_8, 0, 2)]),
    row(34, Some(V2_1), Some(V3_0), &[(V2_1, 0, 1), (V2_8, 0, 2), (V4_0, 1, 2)]),
    row(35, Some(V2_1), Some(V3_0), &[(V2_1, 0, 1), (V2_6, 0, 2), (V3_2, 0, 3), (V3_3, 0, 4), (V4_0, 1, 4), (V4_3, 1, 5)]),
    row(36, Some(V2_1), Some(V3_0), &[(V2_1, 0, 0), (V2_2, 0, 1), (V2_5, 0, 2)]),
    row(37, Some(V2_1), Some(V3_0), &[(V2_1, 0, 1), (V2_5, 0, 2), (V2_7, 0, 3)]),
    row(38, Some(V2_1), Some(V3_6), &[(V2_1, 0, 1), (V2_4, 0, 2), (V3_3, 0, 3), (V4_0, 1, 3)]),
    row(39, Some(V2_1), Some(V3_6), &[(V2_1, 0, 1), (V2_5, 0, 2), (V4_0, 1, 2)]),
    row(40, Some(V2_1), Some(V3_6), &[(V2_1, 0, 1), (V2_5, 0, 2), (V4_0, 1, 2)]),
    row(41, Some(V2_1), Some(V3_6), &[(V2_1, 0, 1), (V2_5, 0, 2), (V3_3, 0, 3), (V4_0, 1, 3)]),
    row(42, Some(V2_1), Some(V3_0), &[(V2_1, 0, 1), (V2_4, 0, 2), (V4_4, 0, 3)]),
    row(43, Some(V2_2), Some(V3_0), &[(V2_2, 0, 0), (V2_4, 0, 2)]),
    row(44, Some(V2_3), Some(V3_0), &[(V2_3, 0, 0), (V2_4, 0, 1)]),
    row(45, Some(V2_4), Some(V3_0), &[(V2_4, 0, 0), (V4_1, 0, 1)]),
    row(46, Some(V2_4), Some(V3_0), &[(V2_4, 0, 0)]),
    row(47, Some(V2_4), Some(V3_0), &[(V2_4, 0, 0)]),
    row(48, Some(V2_6), Some(V3_0), &[(V2_6, 0, 0), (V2_8, 0, 1)]),
    row(49, Some(V2_6), Some(V3_0), &[(V2_6, 0, 0), (V2_8, 0, 1)]),
    row(50, Some(V2_7), Some(V3_5), &[(V2_7, 0, 0)]),
    row(51, Some(V2_7), Some(V3_5), &[(V2_7, 0, 0)]),
    row(55, None, Some(V3_0), &[(V3_0, 0, 0), (V3_3, 0, 1), (V3_9, 0, 2)]),
    row(56, Some(V2_7), None, &[(V2_7, 0, 0), (V3_2, 0, 1), (V3_3, 0, 2), (V3_5, 0, 3)]),
    row(57, Some(V2_7), Some(V3_0), &[(V2_7, 0, 0), (V3_3, 0, 1), (V4_0, 0, 2)]),
    row(58, Some(V3_4), None, &[(V3_4, 0, 0)]),
    row(60, Some(V2_8), Some(V3_0), &[(V2_8, 0, 0), (V3_7, 0, 1), (V4_0, 0, 2)]),
    row(61, Some(V2_8), Some(V3_0), &[(V2_8, 0, 0)]),
    row(64, None, Some(V3_3), &[(V3_3, 0, 0)]),
    row(65, Some(V3_0), Some(V3_0), &[(V3_0, 0, 0)]),
    row(66, Some(V3_0), Some(V3_0), &[(V3_0, 0, 0), (V3_8, 0, 1), (V4_1, 0, 2)]),
    row(67, Some(V3_0), None, &[(V3_0, 0, 0)]),
    row(68, Some(V3_7), Some(V3_7), &[(V3_7, 0, 0), (V4_0, 0, 1)]),
    row(69, Some(V3_8), Some(V3_8), &[(V3_8, 0, 0), (V4_0, 0, 1)]),
    row(71, None, Some(V3_7), &[(V3_7, 0, 0)]),
    row(72, None, Some(V3_7), &[(V3_7, 0, 0)]),
    row(74, None, Some(V3_7), &[(V3_7, 0, 0), (V4_1, 0, 1)]),
    row(75, None, Some(V3_8), &[(V3_8, 0, 0)]),
    row(76, None, Some(V4_1), &[(V4_1, 1, 1)]),
    row(77, None, Some(V4_1), &[(V4_1, 1, 1)]),
    row(78, None, Some(V4_1), &[(V4_1, 1, 1), (V4_2, 1, 2)]),
    row(79, None, Some(V4_1), &[(V4_1, 1, 1), (V4_2, 1, 2)]),
    row(80, None, Some(V3_9), &[(V3_9, 0, 0), (V4_2, 0, 1)]),
    row(81, None, Some(V3_9), &[(V3_9, 0, 0)]),
    row(83, None, Some(V4_1), &[(V4_1, 0, 0)]),
    row(84, None, Some(V4_1), &[(V4_1, 0, 0)]),
    row(85, None, Some(V4_1), &[(V4_1, 0, 0), (V4_2, 0, 1)]),
    row(86, None, Some(V4_1), &[(V4_1, 0, 0)]),
    row(87, None, Some(V4_1), &[(V4_1, 0, 0), (V4_2, 0, 1)]),
    row(88, None, Some(V4_2), &[(V4_2, 0, 0), (V4_4, 0, 1)]),
    row(89, None, Some(V4_2), &[(V4_2, 0, 0), (V4_4, 0, 1)]),
    row(90, None, Some(V4_1), &[(V4_1, 0, 0), (V4_2, 0, 1)]),
    row(91, None, Some(V4_1), &[(V4_1, 0, 0)]),
    row(92, None, Some(V4_1), &[(V4_1, 0, 0)]),
    row(93, None, Some(V4_4), &[(V4_4, 0, 0)]),
    row(94, None, Some(V4_4), &[(V4_4, 0, 0)]),
];

/// (release, key, version): the highest version is there, but off unless `unstable.api.versions.enable` is set; then the key's highest version is this one.
#[rustfmt::skip]
pub(super) static UNSTABLE: [(Release, i16, i16); 31] = [
    (V3_5, 24, 4), (V3_5, 68, 0),
    (V3_6, 8, 9), (V3_6, 68, 0),
    (V3_7, 69, 0),
    (V3_9, 76, 0), (V3_9, 77, 0), (V3_9, 78, 0), (V3_9, 79, 0), (V3_9, 83, 0), (V3_9, 84, 0), (V3_9, 85, 0), (V3_9, 86, 0), (V3_9, 87, 0),
    (V4_0, 76, 0), (V4_0, 77, 0), (V4_0, 78, 0), (V4_0, 79, 0), (V4_0, 83, 0), (V4_0, 84, 0), (V4_0, 85, 0), (V4_0, 86, 0), (V4_0, 87, 0),
    (V4_1, 8, 10), (V4_1, 9, 10), (V4_1, 22, 6), (V4_1, 88, 0), (V4_1, 89, 0),
    (V4_2, 22, 6), (V4_3, 22, 6), (V4_4, 22, 6),
];
