//! The null broker: one thread that answers every request with the same bytes, as soon as the request has come as a whole.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::Result;
use crate::frames::Answers;
use crate::pipe::{Outbox, Walk, read_all};
use crate::process;

/// Read at once; several requests of 100 KiB.
const BUFFER_BYTES: usize = 512 * 1024;
const LISTENER: Token = Token(usize::MAX - 1);

/// Listens on a port of 127.0.0.1, prints it in a line, and serves until its standard input ends.
/// Up to `batch` answers leave with one system call.
pub(crate) fn serve(batch: usize) -> Result<()> {
    process::exit_with_stdin();
    let mut listener = TcpListener::bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0))?;
    let port = listener.local_addr()?.port();
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut broker = Broker { answers: Answers::new(port)?, sessions: Vec::new(), free: Vec::new(), buffer: vec![0; BUFFER_BYTES], batch };
    println!("{port}");
    std::io::stdout().flush()?;
    let mut events = Events::with_capacity(1024);
    loop {
        if let Err(error) = poll.poll(&mut events, None)
            && error.kind() != std::io::ErrorKind::Interrupted
        {
            return Err(error.into());
        }
        for event in &events {
            if event.token() == LISTENER {
                broker.accept(&listener, &poll)?;
            } else {
                broker.on_event(event);
            }
        }
    }
}

struct Broker {
    answers: Answers,
    sessions: Vec<Option<Session>>,
    /// Places in `sessions` that nobody has.
    free: Vec<usize>,
    buffer: Vec<u8>,
    batch: usize,
}

struct Session {
    stream: TcpStream,
    walk: Walk<12>,
    out: Outbox<8>,
}

impl Broker {
    fn accept(&mut self, listener: &TcpListener, poll: &Poll) -> Result<()> {
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            stream.set_nodelay(true)?;
            let place = self.free.pop().unwrap_or_else(|| {
                self.sessions.push(None);
                self.sessions.len() - 1
            });
            poll.registry().register(&mut stream, Token(place), Interest::READABLE | Interest::WRITABLE)?;
            self.sessions[place] = Some(Session { stream, walk: Walk::new(), out: Outbox::new(self.batch) });
        }
    }

    fn on_event(&mut self, event: &Event) {
        let Token(place) = event.token();
        let Some(session) = self.sessions.get_mut(place).and_then(Option::as_mut) else { return };
        let goes_on = match session.serve(event, &self.answers, &mut self.buffer) {
            Ok(goes_on) => goes_on,
            Err(error) => {
                // A proxy may close with a reset; what cannot be understood is for the reader of the log.
                if error.kind() == std::io::ErrorKind::InvalidData {
                    eprintln!("null broker: {error}");
                }
                false
            }
        };
        if !goes_on {
            self.sessions[place] = None;
            self.free.push(place);
        }
    }
}

impl Session {
    fn serve(&mut self, event: &Event, answers: &Answers, buffer: &mut [u8]) -> std::io::Result<bool> {
        let mut open = true;
        if event.is_readable() {
            let (out, mut unknown) = (&mut self.out, None);
            open = read_all(&mut self.stream, buffer, &mut self.walk, |head, _| {
                let (key, version) = (i16::from_be_bytes([head[4], head[5]]), i16::from_be_bytes([head[6], head[7]]));
                match answers.to(key, version) {
                    Some(answer) => out.push(answer, u32::from_be_bytes([head[8], head[9], head[10], head[11]])),
                    None => unknown = Some((key, version)),
                }
            })?;
            if let Some((key, version)) = unknown {
                return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, format!("no answer to API key {key}, version {version}")));
            }
        }
        self.out.flush(&mut self.stream)?;
        Ok(open)
    }
}
