//! The load generator: a closed loop of one request repeated on some connections, each with a fixed number in flight, all on one thread.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::Result;
use crate::frames::Request;
use crate::histogram::Histogram;
use crate::pipe::{Outbox, Walk, read_all};
use crate::setup;

/// Read at once. Smaller than a Fetch response: a client takes it in parts as well.
const BUFFER_BYTES: usize = 512 * 1024;
/// Without any answer for so long, what is measured hangs.
const SILENCE_MAX: Duration = Duration::from_secs(8);
/// The first correlation ids belong to the setup of the connection.
const FIRST_CORRELATION_ID: u32 = 100;

pub(crate) struct Plan<'a> {
    pub(crate) target: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) in_flight: usize,
    /// How many requests of a connection may leave with one system call.
    pub(crate) batch: usize,
    pub(crate) request: &'a Request,
    /// The size of the broker's answer to it, which no proxy may change.
    pub(crate) response_bytes: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measure: Duration,
}

/// What happened in the measured time; `before` and `after` are readings of its ends.
pub(crate) struct Outcome<T> {
    pub(crate) requests: u64,
    /// Of requests and responses, sizes included.
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    pub(crate) latency: Histogram,
    pub(crate) before: T,
    pub(crate) after: T,
}

struct Connection {
    stream: TcpStream,
    walk: Walk<8>,
    out: Outbox<12>,
    sent: VecDeque<Instant>,
    next_id: u32,
    awaited_id: u32,
}

/// Connects, warms up, measures; takes a reading at both ends of the measured time.
pub(crate) fn drive<T>(plan: &Plan<'_>, mut read: impl FnMut() -> Result<T>) -> Result<Outcome<T>> {
    let mut load = Load::start(plan)?;
    load.run_for(plan, plan.warm_up)?;
    load.latency.clear();
    let before = read()?;
    let (requests, seconds) = load.run_for(plan, plan.measure)?;
    let bytes = requests * (plan.request.len() + plan.response_bytes) as u64;
    Ok(Outcome { requests, bytes, seconds, latency: load.latency, before, after: read()? })
}

/// Connections that go on.
pub(crate) struct Load {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
    latency: Histogram,
    last_answer: Instant,
}

impl Load {
    pub(crate) fn start(plan: &Plan<'_>) -> Result<Self> {
        let poll = Poll::new()?;
        let mut connections = connect(plan, &poll)?;
        for connection in &mut connections {
            connection.send(plan.request, plan.in_flight, Instant::now())?;
        }
        let (events, buffer) = (Events::with_capacity(256), vec![0; BUFFER_BYTES]);
        Ok(Load { poll, events, connections, buffer, latency: Histogram::new(), last_answer: Instant::now() })
    }

    /// Goes on for this time; how many requests were answered in it, and how long it really was in seconds.
    pub(crate) fn run_for(&mut self, plan: &Plan<'_>, time: Duration) -> Result<(u64, f64)> {
        let (start, mut answered) = (Instant::now(), 0);
        loop {
            match self.poll.poll(&mut self.events, Some(Duration::from_millis(50))) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
                Err(_) | Ok(()) => {}
            }
            let before = answered;
            for event in &self.events {
                let Token(index) = event.token();
                answered += self.connections[index].on_event(plan, &mut self.buffer, &mut self.latency)?;
            }
            let now = Instant::now();
            if answered > before {
                self.last_answer = now;
            } else if now - self.last_answer > SILENCE_MAX {
                return Err(format!("no answer for {} s after {answered} answers: it hangs", SILENCE_MAX.as_secs()).into());
            }
            // Only with an answer just now: a time that ends in silence is not over, it may be that nothing comes any more.
            if now >= start + time && answered > before {
                return Ok((answered, (now - start).as_secs_f64()));
            }
        }
    }
}

fn connect(plan: &Plan<'_>, poll: &Poll) -> Result<Vec<Connection>> {
    let greeting = crate::frames::api_versions()?;
    let mut connections = Vec::with_capacity(plan.connections);
    for index in 0..plan.connections {
        let mut stream = setup::connect(plan.target)?;
        setup::ask(&mut stream, &greeting, 1)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(index), Interest::READABLE | Interest::WRITABLE)?;
        connections.push(Connection {
            stream,
            walk: Walk::new(),
            out: Outbox::new(plan.batch),
            sent: VecDeque::with_capacity(plan.in_flight),
            next_id: FIRST_CORRELATION_ID,
            awaited_id: FIRST_CORRELATION_ID,
        });
    }
    Ok(connections)
}

impl Connection {
    /// Takes what was answered and sends as many requests anew. Returns how many were answered.
    fn on_event(&mut self, plan: &Plan<'_>, buffer: &mut [u8], latency: &mut Histogram) -> Result<u64> {
        let (mut answered, mut wrong) = (0, None);
        let mut now = None;
        let open = read_all(&mut self.stream, buffer, &mut self.walk, |head, size| {
            let id = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
            let sent = self.sent.pop_front();
            if id != self.awaited_id || size != plan.response_bytes || sent.is_none() {
                wrong = Some(format!("answer {id} of {size} bytes where {} of {} was awaited", self.awaited_id, plan.response_bytes));
            }
            self.awaited_id = self.awaited_id.wrapping_add(1);
            let now = *now.get_or_insert_with(Instant::now);
            latency.record(sent.map_or(0, |sent| (now - sent).as_nanos() as u64));
            answered += 1;
        })?;
        if let Some(wrong) = wrong {
            return Err(wrong.into());
        }
        if !open {
            return Err("a connection was closed under load".into());
        }
        self.send(plan.request, answered, now.unwrap_or_else(Instant::now))?;
        Ok(answered as u64)
    }

    fn send(&mut self, request: &Request, count: usize, now: Instant) -> Result<()> {
        for _ in 0..count {
            self.out.push(request, self.next_id);
            self.next_id = self.next_id.wrapping_add(1);
            self.sent.push_back(now);
        }
        Ok(self.out.flush(&mut self.stream)?)
    }
}
