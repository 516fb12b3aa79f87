//! `leeward top`: rates, latencies and errors of now, on the whole screen where there is one.

mod screen;
mod text;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::client::AdminAddress;
use super::output::Output;
use super::{Exit, Failure, Format, Outcome};
use crate::admin::top::{TopPicture, TopRow, TopRows};
use screen::Screen;

const PATH: &str = "/v1/top";
/// How long a key waits at most.
const TICK: Duration = Duration::from_millis(100);
/// Between two attempts to find a Leeward that has gone.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  leeward top                          by broker; b, t, c and a change that, s the order, q ends it
  leeward top --by client --sort errors
  leeward top --by topic -o json --count 1

Figures are of the last 10 s. Up to 2000 requests in a second are looked at; of more a part, and the
figures are estimates, marked with ~. Latencies leave out what waits for something to happen (Fetch,
JoinGroup, SyncGroup, ShareFetch), and what was held: that has columns of its own.
Exit codes: 0 done, 1 no Leeward answers, 2 wrong usage or token.")]
pub(super) struct TopArgs {
    #[command(flatten)]
    admin: AdminAddress,
    /// A row for each of these
    #[arg(long, value_enum, default_value_t = By::Broker)]
    by: By,
    /// In which order
    #[arg(long, value_enum, default_value_t = Sort::Rate)]
    sort: Sort,
    /// Lines instead of the whole screen, as where there is no terminal
    #[arg(long)]
    plain: bool,
    /// End after so many pictures, one each second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// What a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    Broker,
    Topic,
    Client,
    Api,
}

/// What stands first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// The most requests.
    Rate,
    /// The most bytes, both ways.
    Bytes,
    /// The slowest broker's answers, by p99.
    Broker,
    /// The most of Leeward's own time, by p99.
    Own,
    /// The most errors.
    Errors,
    /// The most held.
    Held,
    Name,
}

impl By {
    const ALL: [By; 4] = [By::Broker, By::Topic, By::Client, By::Api];

    fn label(self) -> &'static str {
        match self {
            By::Broker => "broker",
            By::Topic => "topic",
            By::Client => "client",
            By::Api => "api",
        }
    }

    fn rows(self, picture: &TopPicture) -> &TopRows {
        match self {
            By::Broker => &picture.brokers,
            By::Topic => &picture.topics,
            By::Client => &picture.clients,
            By::Api => &picture.apis,
        }
    }
}

impl Sort {
    const ALL: [Sort; 7] = [Sort::Rate, Sort::Bytes, Sort::Broker, Sort::Own, Sort::Errors, Sort::Held, Sort::Name];

    fn label(self) -> &'static str {
        match self {
            Sort::Rate => "rate",
            Sort::Bytes => "bytes",
            Sort::Broker => "broker's p99",
            Sort::Own => "Leeward's p99",
            Sort::Errors => "errors",
            Sort::Held => "held",
            Sort::Name => "name",
        }
    }

    fn next(self) -> Self {
        let at = Sort::ALL.iter().position(|sort| *sort == self).map_or(0, |at| at + 1);
        Sort::ALL.get(at).copied().unwrap_or(Sort::Rate)
    }

    /// The rows in this order, and by name where that is the same.
    fn sorted(self, rows: &[TopRow]) -> Vec<&TopRow> {
        let figure = |row: &TopRow| match self {
            Sort::Rate => row.requests,
            Sort::Bytes => row.request_bytes + row.response_bytes,
            Sort::Broker => row.broker_p99_ms.unwrap_or_default(),
            Sort::Own => row.own_p99_ms.unwrap_or_default(),
            Sort::Errors => row.errors,
            Sort::Held => row.held,
            Sort::Name => 0.0,
        };
        let mut rows: Vec<&TopRow> = rows.iter().collect();
        rows.sort_by(|a, b| figure(b).total_cmp(&figure(a)).then_with(|| by_name(&a.name, &b.name)));
        rows
    }
}

/// Numbers as numbers: node ids.
fn by_name(a: &str, b: &str) -> std::cmp::Ordering {
    match (a.parse::<i32>(), b.parse::<i32>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => a.cmp(b),
    }
}

/// What the thread that reads tells the one that shows.
#[derive(Debug)]
enum News {
    Picture(Box<TopPicture>),
    /// The stream ended, or there is none.
    Gone(Failure),
}

impl TopArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        if self.plain || self.output == Format::Json || !output.is_screen() {
            return self.lines(output);
        }
        let news = self.listen()?;
        let mut terminal = ratatui::try_init().map_err(|error| Failure::new(Exit::Failed, format!("the terminal cannot be used: {error}; try --plain")))?;
        let shown = self.show(&mut terminal, &news);
        ratatui::restore();
        shown
    }

    fn lines(&self, output: &mut Output) -> Outcome {
        let count: Vec<_> = self.count.map(|count| ("count", count.to_string())).into_iter().collect();
        let mut lines = self.admin.lines(PATH, &count)?;
        let mut is_first = true;
        while let Some(picture) = lines.next_as::<TopPicture>()? {
            match self.output {
                Format::Json => output.json(&picture)?,
                Format::Table => {
                    if !is_first {
                        output.next_picture();
                    }
                    output.line(text::picture(&picture, self.by, self.sort, output.paint()));
                }
            }
            if output.reader_gone() {
                break;
            }
            is_first = false;
        }
        Ok(Exit::Done)
    }

    /// Reads on in a thread of its own. Whoever is not there at the beginning is not waited for.
    fn listen(&self) -> Result<mpsc::Receiver<News>, Failure> {
        let mut first = Some(self.admin.lines(PATH, &[])?);
        let (sender, news) = mpsc::channel();
        let admin = self.admin.clone();
        thread::spawn(move || {
            loop {
                let lines = first.take().map_or_else(|| admin.lines(PATH, &[]), Ok);
                let ended = lines.and_then(|mut lines| {
                    while let Some(picture) = lines.next_as()? {
                        if sender.send(News::Picture(Box::new(picture))).is_err() {
                            return Ok(());
                        }
                    }
                    Err(Failure::new(Exit::Failed, "the stream has ended"))
                });
                match ended.map_err(|failure| sender.send(News::Gone(failure)).is_err()) {
                    // Nobody looks any more.
                    Ok(()) | Err(true) => return,
                    Err(false) => thread::sleep(AGAIN_AFTER),
                }
            }
        });
        Ok(news)
    }

    fn show(&self, terminal: &mut DefaultTerminal, news: &mpsc::Receiver<News>) -> Outcome {
        let failed = |error: std::io::Error| Failure::new(Exit::Failed, format!("the terminal cannot be used: {error}; try --plain"));
        let mut screen = Screen::new(self.by, self.sort);
        let mut left = self.count.unwrap_or(u32::MAX);
        loop {
            for news in news.try_iter() {
                match news {
                    News::Picture(picture) => {
                        screen.take(*picture, Instant::now());
                        left = left.saturating_sub(1);
                    }
                    // A token that is refused is not accepted a second later.
                    News::Gone(failure) if failure.exit == Exit::Usage => return Err(failure),
                    News::Gone(failure) => screen.problem(failure.message),
                }
            }
            terminal.draw(|frame| screen.draw(frame, Instant::now())).map_err(failed)?;
            if left == 0 {
                return Ok(Exit::Done);
            }
            // A change of size is an event, too, and is drawn with the next round.
            if event::poll(TICK).map_err(failed)?
                && let Event::Key(key) = event::read().map_err(failed)?
                && !on_key(&mut screen, key)
            {
                return Ok(Exit::Done);
            }
        }
    }
}

/// False: it is enough.
fn on_key(screen: &mut Screen, key: KeyEvent) -> bool {
    if key.kind == KeyEventKind::Release {
        return true;
    }
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other key does nothing")]
    match key.code {
        KeyCode::Char('c') if is_control => return false,
        KeyCode::Char('q') | KeyCode::Esc => return false,
        KeyCode::Char('b') => screen.by(By::Broker),
        KeyCode::Char('t') => screen.by(By::Topic),
        KeyCode::Char('c') => screen.by(By::Client),
        KeyCode::Char('a') => screen.by(By::Api),
        KeyCode::Tab => screen.next_by(),
        KeyCode::Char('s') => screen.next_sort(),
        KeyCode::Char('p' | ' ') => screen.pause(),
        KeyCode::Up | KeyCode::Char('k') => screen.scroll(-1),
        KeyCode::Down | KeyCode::Char('j') => screen.scroll(1),
        KeyCode::PageUp => screen.scroll(-10),
        KeyCode::PageDown => screen.scroll(10),
        KeyCode::Home => screen.scroll(i32::MIN),
        _ => {}
    }
    true
}

#[cfg(test)]
mod tests;
