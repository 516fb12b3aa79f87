//! What is right key by key and wrong together. Found before anything is bound.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::build::Reader;
use super::value::{show_duration, show_size};
use super::{Admin, Config, Tokens, VirtualBrokers};

/// Notes every conflict of `config` in `reader`.
pub(super) fn find(config: &Config, reader: &mut Reader) {
    admin(config, reader);
    virtual_brokers(config, reader);
    explicit_ports(config, reader);
    limits(config, reader);
    guard(config, reader);
}

fn admin(config: &Config, reader: &mut Reader) {
    let admin = config.admin.listen;
    if let Some(problem) = exposed(&config.admin) {
        let allowed = "add a token (admin.tokens.read_write, admin.tokens.read_only), or listen on 127.0.0.1 or [::1]";
        let _: Option<()> = reader.conflict("admin.listen", &problem, allowed);
    }
    tokens(config, reader);
    if same_port(admin, config.listen.bootstrap) {
        let problem = format!("port {} is taken by listen.bootstrap", admin.port());
        let _: Option<()> = reader.conflict("admin.listen", &problem, "give each endpoint a port of its own");
    }
}

/// Why an endpoint may not be offered as it is.
pub(super) fn exposed(admin: &Admin) -> Option<String> {
    let open = !admin.listen.ip().is_loopback() && admin.tokens.is_empty();
    open.then(|| format!("{} is not a loopback address, and there is no token: whoever reaches it could change what Leeward does", admin.listen.ip()))
}

/// Two names for one secret, or two secrets for one name, would leave open who did something.
fn tokens(config: &Config, reader: &mut Reader) {
    let Tokens { read_only, read_write } = &config.admin.tokens;
    let all: Vec<_> =
        read_only.iter().map(|token| ("admin.tokens.read_only", token)).chain(read_write.iter().map(|token| ("admin.tokens.read_write", token))).collect();
    for (place, (key, token)) in all.iter().enumerate() {
        for (_, earlier) in all.iter().take(place) {
            if earlier.name == token.name {
                let _: Option<()> = reader.conflict(key, &format!("the name {} stands twice", token.name), "give each token a name of its own");
            } else if earlier.is_same(token) {
                let problem = format!("{} and {} are the same token", earlier.name, token.name);
                let _: Option<()> = reader.conflict(key, &problem, "make another for one of them: openssl rand -hex 32");
            }
        }
    }
}

fn virtual_brokers(config: &Config, reader: &mut Reader) {
    let plan = &config.listen.virtual_brokers;
    let last = u32::from(plan.base_port) + u32::from(plan.range) - 1;
    if last > u32::from(u16::MAX) {
        let problem = format!("{} ports from {} on end at {last}, beyond 65535", plan.range, plan.base_port);
        let allowed = format!("a range of {} at most, or a lower base_port", u32::from(u16::MAX) - u32::from(plan.base_port) + 1);
        let _: Option<()> = reader.conflict("listen.virtual_brokers.range", &problem, &allowed);
    }
    for (key, address) in endpoints(config) {
        if overlap(plan.bind, address.ip()) && in_range(plan, address.port()) {
            let problem = format!("port {} lies among the virtual brokers' ports {} to {last}", address.port(), plan.base_port);
            let _: Option<()> = reader.conflict(key, &problem, "choose a port outside, or another base_port or range in [listen.virtual_brokers]");
        }
    }
}

fn explicit_ports(config: &Config, reader: &mut Reader) {
    const KEY: &str = "listen.virtual_brokers.ports";
    let plan = &config.listen.virtual_brokers;
    let mut owners: BTreeMap<u16, i32> = BTreeMap::new();
    for (&node_id, &port) in &plan.ports {
        if let Some(other) = owners.insert(port, node_id) {
            let _: Option<()> = reader.conflict(KEY, &format!("nodes {other} and {node_id} have the same port {port}"), "give each broker a port of its own");
        }
        for (key, address) in endpoints(config) {
            // Inside the range the endpoint itself is the error, and has been named.
            if address.port() == port && overlap(plan.bind, address.ip()) && !in_range(plan, port) {
                let _: Option<()> = reader.conflict(KEY, &format!("port {port} of node {node_id} is taken by {key}"), "give each broker a port of its own");
            }
        }
    }
}

fn limits(config: &Config, reader: &mut Reader) {
    let limits = &config.limits;
    if limits.first_frame_bytes_max > limits.frame_bytes_max {
        let problem = format!("{} is above limits.frame_bytes_max, {}", shown(limits.first_frame_bytes_max), shown(limits.frame_bytes_max));
        let _: Option<()> = reader.conflict("limits.first_frame_bytes_max", &problem, "lower it, or raise limits.frame_bytes_max");
    }
    // Each worker needs one buffer in each direction to move anything at all.
    let least = limits.buffer_bytes.saturating_mul(2).saturating_mul(config.runtime.workers);
    if limits.buffer_bytes_max < least {
        let problem =
            format!("{} are not two buffers of {} for each of {} workers", shown(limits.buffer_bytes_max), shown(limits.buffer_bytes), config.runtime.workers);
        let _: Option<()> =
            reader.conflict("limits.buffer_bytes_max", &problem, &format!("at least {}, or lower limits.buffer_bytes or runtime.workers", shown(least)));
    }
    if limits.sessions_per_address_max > limits.sessions_max {
        let problem = format!("{} is above limits.sessions_max, {}", limits.sessions_per_address_max, limits.sessions_max);
        let _: Option<()> = reader.conflict("limits.sessions_per_address_max", &problem, "lower it; 0 is no limit");
    }
}

fn guard(config: &Config, reader: &mut Reader) {
    let guard = &config.guard;
    for (key, duration) in [("guard.window_default", guard.window_default), ("guard.detect_window", guard.detect_window)] {
        if duration > guard.window_max {
            let problem = format!("{} is above guard.window_max, {}", show_duration(duration), show_duration(guard.window_max));
            let _: Option<()> = reader.conflict(key, &problem, "lower it, or raise guard.window_max");
        }
    }
}

fn endpoints(config: &Config) -> [(&'static str, SocketAddr); 2] {
    [("listen.bootstrap", config.listen.bootstrap), ("admin.listen", config.admin.listen)]
}

fn in_range(plan: &VirtualBrokers, port: u16) -> bool {
    port >= plan.base_port && u32::from(port) < u32::from(plan.base_port) + u32::from(plan.range)
}

/// Port 0 is a free one and meets nobody.
fn same_port(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() != 0 && a.port() == b.port() && overlap(a.ip(), b.ip())
}

/// Whether the same port cannot be bound on both.
fn overlap(a: IpAddr, b: IpAddr) -> bool {
    a == b || a.is_unspecified() || b.is_unspecified()
}

fn shown(bytes: usize) -> String {
    show_size(u64::try_from(bytes).unwrap_or(u64::MAX))
}
