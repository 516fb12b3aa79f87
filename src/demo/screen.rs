//! Where the demo is shown: a picture that is drawn over and over on a terminal, lines elsewhere.

use std::io::{self, IsTerminal, Write};

/// Used where a terminal does not tell its width.
const WIDTH: u16 = 80;

/// A place for pictures and lines.
pub struct Screen {
    out: Box<dyn Write>,
    is_live: bool,
    /// Lines of the picture that stands there now.
    drawn: usize,
}

impl Screen {
    /// Standard output; pictures only when it is a terminal and `plain` is not asked for.
    pub fn stdout(plain: bool) -> Self {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Screen { out: Box::new(io::stdout()), is_live: !plain && !is_dumb && io::stdout().is_terminal(), drawn: 0 }
    }

    pub(super) fn is_live(&self) -> bool {
        self.is_live
    }

    /// Columns of the terminal.
    pub(super) fn width(&self) -> usize {
        usize::from(comfy_table::Table::new().width().filter(|width| *width > 0).unwrap_or(WIDTH))
    }

    /// A line that stays.
    pub(super) fn line(&mut self, line: &str) {
        self.wipe();
        self.put(format_args!("{line}\n"));
    }

    /// Draws a picture in the place of the last one.
    pub(super) fn draw(&mut self, picture: &str) {
        let mut text = String::new();
        if self.drawn > 0 {
            // To the first column too: a terminal shows ^C where the cursor is.
            text += &format!("\r\x1b[{}A", self.drawn);
        }
        for line in picture.lines() {
            // Each line is wiped behind its end: the old one may have been longer.
            text += line;
            text += "\x1b[K\n";
        }
        text += "\x1b[J";
        self.drawn = picture.lines().count();
        self.put(format_args!("{text}"));
    }

    /// Takes the picture away.
    pub(super) fn wipe(&mut self) {
        if self.drawn > 0 {
            let up = std::mem::take(&mut self.drawn);
            self.put(format_args!("\r\x1b[{up}A\x1b[J"));
        }
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // A reader that goes away is no error: the demo ends in its time, and its exit code tells the rest.
        let _ = self.out.write_fmt(text).and_then(|()| self.out.flush());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_picture_stands_in_the_place_of_the_last_one() {
        let shared = Shared::default();
        let mut screen = Screen { out: Box::new(shared.clone()), is_live: true, drawn: 0 };
        screen.draw("one\ntwo\n");
        screen.draw("1\n");
        screen.line("end");
        let written = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        assert_eq!(written, "one\x1b[K\ntwo\x1b[K\n\x1b[J\r\x1b[2A1\x1b[K\n\x1b[J\r\x1b[1A\x1b[Jend\n");
    }
}
