//! Which port stands for which node id.

use crate::config::VirtualBrokers;

/// Gives each node id its port: the same one in every Leeward with the same configuration, as long as the id lies in the range.
#[derive(Debug, Clone)]
pub struct PortPlan {
    ranges: VirtualBrokers,
}

impl PortPlan {
    pub fn new(ranges: VirtualBrokers) -> Self {
        PortPlan { ranges }
    }

    /// The port for `node_id`; `None` when none is left. `taken` tells which ports stand for other nodes.
    ///
    /// An id outside the range gets the last free port, so that it stays clear of the ids to come; which one depends on the order in which
    /// such brokers were seen, so they are better mapped by hand.
    pub fn port_for(&self, node_id: i32, taken: impl Fn(u16) -> bool) -> Option<u16> {
        if let Some(port) = self.ranges.ports.get(&node_id) {
            return Some(*port);
        }
        let free = |port: &u16| !taken(*port) && !self.ranges.ports.values().any(|mapped| mapped == port);
        let by_id = u16::try_from(node_id).ok().filter(|id| *id < self.ranges.range).and_then(|id| self.ranges.base_port.checked_add(id));
        by_id.filter(free).or_else(|| {
            let end = self.ranges.base_port.saturating_add(self.ranges.range);
            (self.ranges.base_port..end).rev().find(free)
        })
    }

    /// Whether the port of `node_id` is the same after every restart.
    pub fn is_stable(&self, node_id: i32) -> bool {
        self.ranges.ports.contains_key(&node_id) || u16::try_from(node_id).is_ok_and(|id| id < self.ranges.range)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn plan(ports: &[(i32, u16)]) -> PortPlan {
        PortPlan::new(VirtualBrokers {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            base_port: 20_000,
            range: 100,
            ports: ports.iter().copied().collect::<BTreeMap<_, _>>(),
        })
    }

    #[test]
    fn a_node_id_in_the_range_is_an_offset() {
        assert_eq!(plan(&[]).port_for(0, |_| false), Some(20_000));
        assert_eq!(plan(&[]).port_for(99, |_| false), Some(20_099));
        assert!(plan(&[]).is_stable(99));
    }

    #[test]
    fn any_other_node_id_gets_a_free_port_from_the_end() {
        assert_eq!(plan(&[]).port_for(1001, |_| false), Some(20_099));
        assert_eq!(plan(&[]).port_for(i32::MAX, |port| port == 20_099), Some(20_098));
        assert!(!plan(&[]).is_stable(1001));
    }

    #[test]
    fn the_map_wins_and_its_ports_are_nobody_elses() {
        assert_eq!(plan(&[(1001, 20_005)]).port_for(1001, |_| false), Some(20_005));
        assert_eq!(plan(&[(1001, 20_005)]).port_for(5, |_| false), Some(20_099));
    }

    #[test]
    fn a_full_range_gives_none() {
        assert_eq!(plan(&[]).port_for(5000, |_| true), None);
    }
}
