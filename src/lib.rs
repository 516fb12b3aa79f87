//! Leeward stands between Kafka clients and Kafka brokers, and shelters the clients while brokers are stopped, upgraded, drained or added.
//!
//! This page is the architecture. Data goes one way, frame → peek → session → upstream, and back; the rules are pure, the sockets are thin.
//! The modules, in the order in which data meets them:
//!
//! | module | | what it is |
//! | --- | --- | --- |
//! | [`wire`] | pure | frames, a bounded cursor, request and response headers, the one table of API keys |
//! | [`protocol`] | pure | what a request is without decoding it, addresses rewritten in place, ApiVersions, the schema of every message |
//! | [`config`] | | what the operator may say, as types; every error at once, before anything is bound |
//! | [`cluster`] | pure | which brokers there are, which virtual broker stands for which, who leads what, and what of that clients are told |
//! | [`releases`] | pure | what is known of Kafka's releases: which APIs and formats each has, which one a broker is, and how a cluster is upgraded |
//! | [`guard`] | pure | maintenance windows and what they ask for, how long a request may be held, what may be sent again, and what is told of it |
//! | [`rolling`] | pure | maintenance as a guided act: the census of the cluster, when a broker may stop, what a drain moves |
//! | [`tap`] | pure | a look at single requests as they pass: who listens, to which, and what is told of each |
//! | [`history`] | pure | how much traffic there was, for weeks, by topic, client and broker, and the quiet hours of the week |
//! | [`session`] | pure | one client's connection as a state machine: bytes and events in, bytes and wishes out |
//! | [`clients`] | pure | who talks to the cluster, as a bounded table, and whom an upgrade would break |
//! | [`telemetry`] | | one struct for each event → its log line and its metrics; every metric's name in one file |
//! | [`net`] | io | listeners, threads, dialling, and the driver that does what sessions decide |
//! | [`control`] | io | Leeward as a client of the cluster: versions, metadata, leaders, the next picture of the cluster |
//! | [`maintenance`] | io | maintenance windows by toggle, schedule and detection, and drains; their state and audit file; publishes the policy |
//! | [`roll`] | io | walks the brokers of a cluster one by one: drain, gate, stop, start, undrain; goes on after a crash |
//! | [`reassign`] | io | moves partitions from broker to broker: throttled, saved before, and back again; goes on after a crash |
//! | [`register`] | io | the table of clients and the traffic's history over all threads, kept over a restart |
//! | [`admin`] | io | health, metrics, status and reload over HTTP; reads snapshots, sends commands |
//! | [`app`] | io | `leeward run`: puts the parts together and takes them apart |
//! | [`sandbox`] | | an embedded cluster for the demo and the tests: real protocol over real sockets |
//! | [`demo`] | | `leeward demo`: a cluster, Leeward in front, traffic on both sides, and an account of every record |
//! | [`cli`] | | one file for each command |
//!
//! Imports point only upwards in this list (`sandbox`, `demo` and `cli` excepted), and the pure modules know no socket, no clock and no log: time is a
//! value that is passed in. `tests/architecture.rs` holds both.
//!
//! # Invariants
//!
//! - **Order.** What leaves for a client answers its requests in the order in which they came ([`session`]).
//! - **No leak.** No broker's own address reaches a client; a response in which one cannot be rewritten for sure ends the session
//!   ([`protocol::patch`], [`session`]).
//! - **Bound before shown.** A node is named to clients only when the port of its virtual broker is bound ([`control`]).
//! - **Bounded.** Frames, requests and bytes in flight, buffers, sessions, and every wait have a named limit ([`config::Limits`]).
//! - **No panic from a peer.** Bytes of a peer are read through [`wire::Cursor`] only, and `kafka-protocol` sees none that
//!   [`protocol::schema`] has not checked: it allocates by the counts that it finds.
//! - **Nothing dropped silently.** A request that was read is answered, or its connection ends with a cause that is counted; SIGTERM waits
//!   for what is in flight ([`app`]).
//! - **No duplicate.** What may be in a log is sent again only under a producer id, and never after a later batch of its partition was given up
//!   ([`guard::decide`], [`session`]).
//! - **Order of a partition.** Batches of a session reach a partition's log in the order in which the client sent them, whatever happens between
//!   ([`session`]).
//! - **A hold ends.** Every request that is held has a deadline before its client's own; held = sent again + answered + abandoned by the client.
//! - **Epochs never go back.** No leader is told that is older than one that was seen ([`cluster::leaders`]).
//! - **A window ends.** Every maintenance window has a moment at which it closes by itself ([`guard::windows`]).
//! - **Saved before moved.** The order of a partition's replicas is on the disk before a drain asks for another one ([`rolling::drain`], [`maintenance`]).
//! - **Written down first.** What an operator changes is in the audit file and in the state before it is in force ([`maintenance`]).
//! - **No change by GET.** What only asks changes nothing, and on another address than loopback only the probes and the page's files, which hold no data, are answered without a token ([`admin`]).
//!
//! # The path of a request
//!
//! A client is accepted on the control thread and dealt to a worker ([`net::worker`]). Its [`net::driver`] reads into a borrowed buffer and hands the
//! bytes to the [`session::Session`], which peeks at each header, makes a small entry for the answer that is owed, and puts the bytes, untouched
//! and not copied, into its outbox for the home upstream. The driver writes everything that is ready at once. Responses come back the same way: the
//! entry says whether addresses have to be rewritten, at the front of the frame (Metadata, FindCoordinator, DescribeCluster) or at its end,
//! as it streams by (Produce, Fetch, ShareFetch, ShareAcknowledge). Nothing else is looked at, and record data never.
//!
//! # When a broker goes
//!
//! While absorption is on, the entry of a request also keeps its frame (up to 16 MiB), and answers up to 256 KiB (16 MiB while trouble is expected) are there
//! as a whole before any of them goes on. An error that the client need not see, or the loss of the home, moves the request into the session's shelter; its
//! entry in the ring stays, so that answers keep their order. There a Produce waits by partition (a lane each), what belongs to a group or a transaction by
//! coordinator, everything else by itself; all of it travels on detours, connections of the session to other brokers. [`guard::decide`] says for each batch
//! what may be done with it, [`guard::deadline`] until when. Leaders come from [`control`], which asks the brokers, one question at a time, for what sessions
//! wait for. When nothing is left the shelter goes, and the session is a plain wire again.
//!
//! A client that nobody else can log in (SCRAM, GSSAPI) has one way only, its home's connection: what is sent again takes a place in the ring there like any request,
//! and its answer goes to the shelter. When that connection goes, everything gets its honest answer, and the session ends. A login whose broker is away goes to another
//! one, which stands in until that one is back.

pub mod admin;
pub mod app;
pub mod cli;
pub mod clients;
pub mod cluster;
pub mod config;
pub mod control;
pub mod demo;
pub mod guard;
pub mod history;
pub mod maintenance;
pub mod net;
pub mod protocol;
pub mod reassign;
pub mod register;
pub mod releases;
pub mod roll;
pub mod rolling;
pub mod sandbox;
pub mod session;
pub mod tap;
pub mod telemetry;
pub mod wire;
