//! Maintenance for people: sentences and tables of at most 100 columns; times are relative.

use comfy_table::Cell;

use crate::cli::output::{Paint, cut, indented, relative, table};
use crate::maintenance::Kept;
use crate::maintenance::api::{Audit, ClosedView, InstanceView, MaintenanceStatus, OffAnswer, OnAnswer, ScheduleAnswer, ScheduleView, SharedView, WindowView};
use crate::maintenance::preflight::{Finding, Level, Preflight};

/// Windows that were, in the status; the audit has all.
const HISTORY_SHOWN: usize = 5;
/// Names of topics or clients in one line.
const NAMES_SHOWN: usize = 3;

pub(in crate::cli) fn preflight(preflight: &Preflight, paint: Paint) -> String {
    let row = |finding: &Finding| {
        vec![Cell::new(&finding.check), paint.cell(finding.level.label().to_owned(), finding.level == Level::Danger), Cell::new(&finding.detail)]
    };
    table(&["CHECK", "RESULT", "WHAT"], preflight.findings.iter().map(row), paint)
}

pub(super) fn opened(answer: &OnAnswer, paint: Paint) -> String {
    let window = &answer.window;
    let first = paint.good(&format!("window {} is open for {}, until {}", window.id, length(window), window.expires));
    format!("{first}\n{}\nleeward maintenance off --reason … closes it earlier", kept(&answer.kept, paint))
}

pub(super) fn closed(answer: &OffAnswer, _: Paint) -> String {
    let verb = if answer.dry_run { "would be closed" } else { "is closed" };
    let line = |closed: &ClosedView| format!("window {} {verb}; it was open for {}", closed.window.id, relative(closed.window.seconds_open));
    answer.closed.iter().map(line).collect::<Vec<_>>().join("\n")
}

pub(super) fn scheduled(answer: &ScheduleAnswer, verb: &str) -> String {
    let schedule = &answer.schedule;
    let in_time = schedule.seconds_to_next.map(|seconds| format!("in {}", relative(seconds)));
    let next = in_time.zip(schedule.next.as_ref()).map_or_else(|| "never".to_owned(), |(in_time, at)| format!("{in_time}, at {at}"));
    format!("schedule {} {verb}: \"{}\" in {}, for {}\nits next start: {next}", schedule.id, schedule.cron, schedule.zone, schedule.lasts)
}

pub(super) fn status(status: &MaintenanceStatus, paint: Paint) -> String {
    let detection = if status.detect { "on" } else { "off" };
    let mut parts = vec![format!("absorb {}, mode {}, detection {detection}", status.absorb, status.mode), kept(&status.kept, paint)];
    if let Some(note) = &status.kept.note {
        parts.push(paint.bad(note));
    }
    if !status.brokers_away.is_empty() {
        let away = status.brokers_away.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        parts.push(paint.bad(&format!("brokers away: {away}")));
    }
    if !status.left_alone.is_empty() {
        parts.push(cut(&format!("acks stay as they are on {}", some(&status.left_alone))));
    }
    if let Some(shared) = &status.shared {
        parts.push(sharing(shared, paint));
    }
    parts.push(String::new());
    if status.open.is_empty() {
        parts.push("no window is open".to_owned());
    } else {
        let row = |window: &WindowView| {
            let cells = [
                window.id.clone(),
                format!("in {}", relative(window.seconds_left)),
                format!("{} ago", relative(window.seconds_open)),
                by(window),
                covers(&window.topics, &window.client_ids),
                window.reason.clone(),
            ];
            cells.map(|cell| Cell::new(plain(&cell))).to_vec()
        };
        parts.push(table(&["WINDOW", "CLOSES", "OPENED", "BY", "COVERS", "REASON"], status.open.iter().map(row), paint));
    }
    if !status.schedules.is_empty() {
        parts.extend([String::new(), schedules(&status.schedules, paint)]);
    }
    if !status.history.is_empty() {
        let row = |closed: &ClosedView| {
            let (since, was) = (format!("{} ago", relative(closed.seconds_since)), relative(closed.window.seconds_open));
            [closed.window.id.clone(), since, was, closed.closed_by.clone(), closed.closed_why.clone(), closed.window.reason.clone()]
                .map(|cell| Cell::new(plain(&cell)))
                .to_vec()
        };
        let rows = status.history.iter().take(HISTORY_SHOWN).map(row);
        parts.extend([String::new(), table(&["WAS", "CLOSED", "LASTED", "BY", "WHY", "REASON"], rows, paint)]);
    }
    parts.join("\n")
}

/// What several Leewards share, and who they are.
fn sharing(shared: &SharedView, paint: Paint) -> String {
    let mut parts = vec![format!("shared through topic {}, version {}", shared.topic, shared.version)];
    parts.extend(shared.old_view.as_ref().map(|old| paint.bad(&indented("", old))));
    let row = |one: &InstanceView| {
        let id = if one.is_this { format!("{} (this one)", one.id) } else { one.id.clone() };
        let walks = if one.walks { "drives drains and walks the roll" } else { "" };
        [id, one.host.clone(), one.admin.clone(), format!("{} ago", relative(one.seconds_since_heard)), walks.to_owned()]
            .map(|cell| Cell::new(plain(&cell)))
            .to_vec()
    };
    if !shared.instances.is_empty() {
        parts.push(table(&["LEEWARD", "HOST", "ADMIN", "HEARD", ""], shared.instances.iter().map(row), paint));
    }
    parts.join("\n")
}

pub(super) fn schedules(schedules: &[ScheduleView], paint: Paint) -> String {
    if schedules.is_empty() {
        return "there is no schedule".to_owned();
    }
    let row = |schedule: &ScheduleView| {
        let next = schedule.seconds_to_next.map_or_else(|| "never".to_owned(), |seconds| format!("in {}", relative(seconds)));
        let cells = [
            schedule.id.clone(),
            next,
            schedule.cron.clone(),
            schedule.zone.clone(),
            schedule.lasts.clone(),
            covers(&schedule.topics, &schedule.client_ids),
            schedule.reason.clone(),
        ];
        cells.map(|cell| Cell::new(plain(&cell))).to_vec()
    };
    table(&["SCHEDULE", "NEXT", "CRON", "ZONE", "FOR", "COVERS", "REASON"], schedules.iter().map(row), paint)
}

pub(super) fn audit(audit: &Audit, paint: Paint) -> String {
    let id = |value: &Option<serde_json::Value>| value.as_ref().and_then(|value| value.get("id")?.as_str().map(str::to_owned));
    let rows = audit.entries.iter().map(|entry| {
        let id = id(&entry.after).or_else(|| id(&entry.before)).unwrap_or_default();
        let wrong = entry.result != "done";
        let mut row = [&entry.at, &entry.who, &entry.what, &id, &entry.why].map(|cell| Cell::new(plain(cell))).to_vec();
        row.push(paint.cell(plain(&entry.result), wrong));
        row
    });
    let mut parts = vec![table(&["WHEN", "WHO", "WHAT", "ID", "WHY", "RESULT"], rows, paint)];
    if audit.entries.is_empty() {
        parts = vec!["nothing was changed yet".to_owned()];
    }
    if audit.damaged > 0 {
        parts.push(paint.bad(&format!("lines that cannot be read: {}", audit.damaged)));
    }
    parts.push(format!("\n{}", audit.file));
    parts.join("\n")
}

/// How long it is open in all.
pub(super) fn length(window: &WindowView) -> String {
    relative(window.seconds_open + window.seconds_left)
}

/// `all clients, topics a, b`.
pub(in crate::cli) fn covers(topics: &[String], client_ids: &[String]) -> String {
    match (topics, client_ids) {
        ([], []) => "everything".to_owned(),
        ([], clients) => format!("clients {}", some(clients)),
        (topics, []) => format!("topics {}", some(topics)),
        (topics, clients) => format!("topics {} of clients {}", some(topics), some(clients)),
    }
}

fn some(names: &[String]) -> String {
    let first = names.iter().take(NAMES_SHOWN).map(|name| plain(name)).collect::<Vec<_>>().join(", ");
    if names.len() > NAMES_SHOWN { format!("{first} and {} more", names.len() - NAMES_SHOWN) } else { first }
}

fn by(window: &WindowView) -> String {
    match &window.schedule {
        Some(schedule) => format!("schedule {schedule}"),
        None => window.author.clone(),
    }
}

fn kept(kept: &Kept, paint: Paint) -> String {
    match &kept.problem {
        None => format!("kept over a restart in {}", kept.directory),
        Some(problem) => paint.bad(&format!("not kept over a restart: {problem}")),
    }
}

/// Without what a terminal would take as a command.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
