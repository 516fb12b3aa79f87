//! The seeded simulation: a client, a session and three brokers, with leaders that move, answers that come late or never, connections that break at any
//! byte and brokers that go and come back. After every step the invariants are looked at; a seed that breaks one is printed with its trace and reproduces.
//!
//! `LEEWARD_SEEDS=N` runs N seeds of each kind (default 1,500), `LEEWARD_SEED=S` runs one and prints its trace.

mod brokers;
mod client;
mod login;
mod world;

use client::Producer;
use world::World;

/// How a seed's client produces, and what protects it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Without a producer id, inside a window: nothing lost, nothing twice, in order, no error.
    Window(i16),
    /// With a producer id of its own, outside a window: the same.
    Idempotent,
    /// Without either: no duplicate, nothing acknowledged is missing, and errors only where nothing else is honest.
    Plain(i16),
    /// The same, while windows open and close.
    Toggled(i16),
    /// Without a producer id, behind a login that nobody but the client can make: the same, every request answered or the connection closed, and nothing of it
    /// ever on a connection that it did not log in on.
    Scram { acks: i16, window: bool },
}

impl Kind {
    /// Whether nothing but success is promised, in the client's order.
    fn is_protected(self) -> bool {
        matches!(self, Kind::Window(_) | Kind::Idempotent)
    }
}

fn run(kind: Kind, seed: u64, trace: bool) -> Result<Vec<String>, (String, Vec<String>)> {
    let mut world = World::new(kind, seed);
    let result = world.run();
    if trace {
        for line in &world.trace {
            println!("{line}");
        }
    }
    match result {
        Ok(()) => Ok(world.trace),
        Err(broken) => Err((broken, world.trace)),
    }
}

fn many(kind: Kind) {
    if let Some(seed) = std::env::var("LEEWARD_SEED").ok().and_then(|seed| seed.parse().ok()) {
        let result = run(kind, seed, true);
        assert!(result.is_ok(), "{kind:?}, seed {seed}: {}", result.unwrap_err().0);
        return;
    }
    let seeds = std::env::var("LEEWARD_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(1_500);
    for seed in 0..seeds {
        if let Err((broken, trace)) = run(kind, seed, false) {
            for line in trace.iter().rev().take(60).rev() {
                println!("{line}");
            }
            panic!("{kind:?}, seed {seed}: {broken} (LEEWARD_SEED={seed} prints the whole trace)");
        }
    }
}

#[test]
fn inside_a_window_nothing_is_lost_doubled_or_reordered_with_acks_1() {
    many(Kind::Window(1));
}

#[test]
fn inside_a_window_nothing_is_lost_doubled_or_reordered_with_acks_all() {
    many(Kind::Window(-1));
}

#[test]
fn inside_a_window_acks_0_is_as_good() {
    many(Kind::Window(0));
}

#[test]
fn a_client_with_its_own_producer_id_needs_no_window() {
    many(Kind::Idempotent);
}

#[test]
fn without_a_producer_id_nothing_is_doubled_and_nothing_acknowledged_is_lost() {
    many(Kind::Plain(-1));
}

#[test]
fn windows_that_open_and_close_lose_nothing_that_was_acknowledged_and_double_nothing() {
    many(Kind::Toggled(1));
}

#[test]
fn a_client_that_nobody_else_can_log_in_loses_nothing_that_was_acknowledged_and_doubles_nothing() {
    many(Kind::Scram { acks: -1, window: false });
}

#[test]
fn nor_does_it_inside_a_window_with_acks_1() {
    many(Kind::Scram { acks: 1, window: true });
}

#[test]
fn nor_does_it_inside_a_window_with_acks_0() {
    many(Kind::Scram { acks: 0, window: true });
}

#[test]
fn a_seed_gives_the_same_trace_twice() {
    for kind in [Kind::Window(1), Kind::Scram { acks: 1, window: true }] {
        for seed in [3, 77, 1_234] {
            let (one, two) = (run(kind, seed, false), run(kind, seed, false));
            assert_eq!(one.unwrap_or_else(|broken| broken.1), two.unwrap_or_else(|broken| broken.1));
        }
    }
}

/// Numbers of a seed (splitmix64).
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.roll() % n.max(1) as u64) as usize
    }

    /// One time in `n`.
    fn one_in(&mut self, n: u64) -> bool {
        self.roll().is_multiple_of(n)
    }
}

const TOPIC: &str = "t";
const PARTITIONS: usize = 2;
const NODES: [i32; 3] = [1, 2, 3];
