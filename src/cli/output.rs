//! Where commands write. Colour only on a terminal; a reader that goes away (`| head`) is no error.

use std::io::{self, IsTerminal, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, Table};
use serde::Serialize;

use super::{Exit, Failure};

/// Standard output and standard error of a command.
pub(super) struct Output {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    colour: bool,
    reader_gone: bool,
}

/// A table fits into so many columns, whatever the terminal.
pub(super) const WIDTH: u16 = 100;

impl Output {
    pub(super) fn of_process() -> Self {
        // https://no-color.org
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { out: Box::new(io::stdout()), err: Box::new(io::stderr()), colour, reader_gone: false }
    }

    /// A line for people.
    pub(super) fn line(&mut self, line: impl AsRef<str>) {
        self.reader_gone |= writeln!(self.out, "{}", line.as_ref()).is_err();
    }

    /// Nobody reads any more: there is no use in going on.
    pub(super) fn reader_gone(&self) -> bool {
        self.reader_gone
    }

    /// A line about what went wrong, or that is not the result.
    pub(super) fn error(&mut self, line: &str) {
        let _ = writeln!(self.err, "{line}");
    }

    /// One JSON document.
    pub(super) fn json<T: Serialize>(&mut self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(|error| Failure::new(Exit::Failed, format!("cannot write JSON: {error}")))?;
        self.line(text);
        Ok(())
    }

    /// Empties the screen before the next picture; on anything but a terminal, an empty line.
    pub(super) fn next_picture(&mut self) {
        if self.colour {
            self.reader_gone |= write!(self.out, "\u{1b}[2J\u{1b}[H").is_err();
        } else {
            self.line("");
        }
        self.reader_gone |= self.out.flush().is_err();
    }

    /// Asks on the terminal; anything but yes is no.
    pub(super) fn confirm(&mut self, question: &str) -> bool {
        let _ = write!(self.err, "{question} [y/N] ");
        let _ = self.err.flush();
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    }

    /// Whether a person sits before the screen, for a command that takes all of it.
    pub(super) fn is_screen(&self) -> bool {
        io::stdout().is_terminal() && io::stdin().is_terminal()
    }

    pub(super) fn paint(&self) -> Paint {
        Paint { colour: self.colour }
    }
}

/// Colours words, or leaves them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    pub(super) colour: bool,
}

impl Paint {
    pub(super) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    /// A cell; red where something is wrong.
    pub(super) fn cell(self, text: String, wrong: bool) -> Cell {
        if wrong && self.colour { Cell::new(text).fg(Color::DarkRed) } else { Cell::new(text) }
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// A table without frame, with its heading, at most [`WIDTH`] columns wide.
pub(super) fn table(heading: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>, paint: Paint) -> String {
    let mut table = Table::new();
    if paint.colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH).set_header(heading);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    // The first column is what one searches for: it stays whole, the others break.
    if let Some(first) = table.column_mut(0) {
        first.set_constraint(ColumnConstraint::ContentWidth);
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// The two largest units: `3h12m`.
pub(super) fn relative(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{}s", seconds % 60),
        (0, _, _) => format!("{hours}h{minutes}m"),
        (_, _, _) => format!("{days}d{hours}h"),
    }
}

/// A line of [`WIDTH`] columns at most, without what a terminal would take as a command.
pub(super) fn cut(line: &str) -> String {
    let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= usize::from(WIDTH) { line } else { line.chars().take(usize::from(WIDTH) - 1).chain(['…']).collect() }
}

/// Text of at most [`WIDTH`] columns a line, broken between words; the first line begins with `label`, the others as far to the right.
pub(super) fn indented(label: &str, text: &str) -> String {
    let indent = label.chars().count();
    let (mut lines, mut line) = (Vec::new(), label.to_owned());
    let mut used = indent;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if used > indent && used + 1 + length > usize::from(WIDTH) {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            used = indent;
        }
        if used > indent {
            line.push(' ');
            used += 1;
        }
        line.extend(word.chars().filter(|c| !c.is_control()));
        used += length;
    }
    lines.push(line);
    lines.join("\n")
}
