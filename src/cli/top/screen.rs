//! The whole screen: a head line, rows in columns as many as fit, and the keys.

use std::time::Instant;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table};

use super::text::{HEADINGS, cells, clean, head, nothing};
use super::{By, Sort};
use crate::admin::top::{TopPicture, TopRow};

/// A column of figures, and what stands between two.
const FIGURE_WIDTH: u16 = 9;
/// The least that a name gets.
const NAME_WIDTH_MIN: u16 = 10;
/// The most that a name takes.
const NAME_MAX: usize = 60;
/// The columns of [`HEADINGS`], the one that is missed the least first.
const DROPPED_FIRST: [usize; 10] = [5, 3, 2, 1, 8, 6, 9, 7, 4, 0];
/// After so many seconds without a picture it is said that what is shown is old.
const OLD_AFTER: u64 = 3;

/// What is shown, and how.
#[derive(Debug)]
pub(super) struct Screen {
    by: By,
    sort: Sort,
    picture: Option<(TopPicture, Instant)>,
    is_paused: bool,
    /// Rows above the first one that is shown.
    above: usize,
    problem: Option<String>,
}

impl Screen {
    pub(super) fn new(by: By, sort: Sort) -> Self {
        Screen { by, sort, picture: None, is_paused: false, above: 0, problem: None }
    }

    pub(super) fn take(&mut self, picture: TopPicture, now: Instant) {
        self.problem = None;
        if !self.is_paused {
            self.picture = Some((picture, now));
        }
    }

    pub(super) fn problem(&mut self, problem: String) {
        self.problem = Some(problem);
    }

    pub(super) fn by(&mut self, by: By) {
        (self.by, self.above) = (by, 0);
    }

    pub(super) fn next_by(&mut self) {
        let at = By::ALL.iter().position(|by| *by == self.by).map_or(0, |at| at + 1);
        self.by(By::ALL.get(at).copied().unwrap_or(By::Broker));
    }

    pub(super) fn next_sort(&mut self) {
        (self.sort, self.above) = (self.sort.next(), 0);
    }

    pub(super) fn pause(&mut self) {
        self.is_paused = !self.is_paused;
    }

    pub(super) fn scroll(&mut self, rows: i32) {
        let rows = isize::try_from(rows).unwrap_or_default();
        self.above = self.above.saturating_add_signed(rows);
    }

    pub(super) fn draw(&mut self, frame: &mut Frame<'_>, now: Instant) {
        let [top, middle, bottom] = Layout::vertical([Constraint::Length(2), Constraint::Min(1), Constraint::Length(1)]).areas(frame.area());
        frame.render_widget(self.title(now), top);
        self.rows(frame, middle);
        frame.render_widget(Line::from("b broker  t topic  c client  a api  s sort  p pause  ↑↓ scroll  q quit").style(Style::new().dim()), bottom);
    }

    fn title(&self, now: Instant) -> Paragraph<'_> {
        let mut first = vec![Span::from(format!("leeward top by {}, most {} first", self.by.label(), self.sort.label())).bold()];
        if self.is_paused {
            first.push(Span::from("  PAUSED").yellow());
        }
        let age = self.picture.as_ref().map_or(0, |(_, at)| now.saturating_duration_since(*at).as_secs());
        let second = match (&self.problem, &self.picture) {
            (Some(problem), _) => Line::from(clean_line(problem)).red(),
            (None, Some(_)) if age >= OLD_AFTER && !self.is_paused => Line::from(format!("no picture for {age} s: this is old")).red(),
            (None, Some((picture, _))) => Line::from(head(picture)),
            (None, None) => Line::from("waiting for the first second to be over"),
        };
        Paragraph::new(vec![Line::from(first), second])
    }

    fn rows(&mut self, frame: &mut Frame<'_>, area: Rect) {
        let Some((picture, _)) = &self.picture else { return };
        let rows = self.by.rows(picture);
        if rows.rows.is_empty() {
            frame.render_widget(Paragraph::new(nothing(self.by)), area);
            return;
        }
        let columns = columns(area.width);
        // One line is the heading.
        let room = usize::from(area.height.saturating_sub(1)).max(1);
        self.above = self.above.min(rows.rows.len().saturating_sub(room));
        let shown = self.sort.sorted(&rows.rows).into_iter().skip(self.above).take(room);
        let figure = |text: &str| format!("{text:>width$}", width = usize::from(FIGURE_WIDTH - 1));
        let heading = columns.iter().filter_map(|column| HEADINGS.get(*column)).map(|text| figure(text));
        let mut name = self.by.label().to_uppercase();
        if rows.more > 0 {
            name = format!("{name} ({} more)", rows.more);
        }
        let heading = Row::new(std::iter::once(name).chain(heading)).style(Style::new().add_modifier(Modifier::REVERSED));
        let row = |row: &TopRow| {
            let cells = cells(row);
            let figures = columns.iter().filter_map(|column| cells.get(*column)).map(|text| Cell::new(figure(text)));
            let style = match row {
                row if row.errors > 0.0 => Style::new().red(),
                row if row.held > 0.0 || row.absorbed > 0.0 => Style::new().yellow(),
                _ => Style::new(),
            };
            Row::new(std::iter::once(Cell::new(clean(&row.name, NAME_MAX))).chain(figures)).style(style)
        };
        let widths = std::iter::once(Constraint::Min(NAME_WIDTH_MIN)).chain(columns.iter().map(|_| Constraint::Length(FIGURE_WIDTH - 1)));
        frame.render_widget(Table::new(shown.map(row).collect::<Vec<_>>(), widths).header(heading), area);
    }
}

/// The columns of figures for which there is room, in their order.
fn columns(width: u16) -> Vec<usize> {
    let room = usize::from(width.saturating_sub(NAME_WIDTH_MIN) / FIGURE_WIDTH);
    let kept = DROPPED_FIRST.iter().rev().take(room).copied().collect::<std::collections::BTreeSet<_>>();
    kept.into_iter().collect()
}

/// In one line, without what a terminal would take as a command.
fn clean_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
