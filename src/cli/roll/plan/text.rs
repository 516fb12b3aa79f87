//! A plan for people: at most 100 columns, but for what is to be copied as it stands.

use crate::cli::output::{Paint, WIDTH};
use crate::releases::changes::{Change, Effect};
use crate::releases::{Action, Node, Plan, Setting, Stage, Step};

/// The columns in front of what belongs to a stage.
const INDENT: usize = 4;
/// The columns in front of what belongs to a change.
const CHANGE_INDENT: usize = 9;

pub(super) fn plan(plan: &Plan, paint: Paint) -> String {
    let mut parts = vec![wrap("", &summary(plan), 0)];
    if !plan.before.is_empty() {
        parts.push(format!("See to this first, as far as it concerns you:\n{}", changes(&plan.before, paint)));
    }
    parts.extend(plan.stages.iter().enumerate().map(|(place, stage)| self::stage(place + 1, stage, paint)));
    if !plan.changes.is_empty() {
        parts.push(format!("What else is different afterwards:\n{}", changes(&plan.changes, paint)));
    }
    parts.join("\n\n")
}

fn summary(plan: &Plan) -> String {
    let (from, to, mode) = (plan.from, plan.to, plan.mode);
    let kind = match plan.step {
        Step::None => return format!("Kafka {from} to {to}: nothing to do"),
        Step::Patch => "another patch of the same release",
        Step::Minor => "a minor step",
        Step::Major => "a major step: what was deprecated is gone",
    };
    let returns = match plan.points_of_no_return() {
        0 => "no point of no return".to_owned(),
        1 => "1 point of no return".to_owned(),
        several => format!("{several} points of no return"),
    };
    let stages = if plan.stages.len() == 1 { "1 stage".to_owned() } else { format!("{} stages", plan.stages.len()) };
    format!("Kafka {from} to {to}, with {mode}: {kind}. {stages}, {returns}. A stage begins when the one before it is done and the cluster is well.")
}

fn stage(number: usize, stage: &Stage, paint: Paint) -> String {
    let mut lines = vec![wrap(&format!("{:<INDENT$}", format!("{number}.")), &stage.title, INDENT)];
    for (node, name) in [(Node::Broker, "each broker's"), (Node::Controller, "each controller's")] {
        let of_node: Vec<&Setting> = stage.settings.iter().filter(|setting| setting.of == node).collect();
        if of_node.is_empty() {
            continue;
        }
        let verb = if stage.action == Action::Check { "must stand in" } else { "in" };
        lines.push(format!("    {verb} {name} properties:"));
        lines.extend(of_node.into_iter().map(setting));
    }
    if !stage.commands.is_empty() {
        lines.push("    run:".to_owned());
        lines.extend(stage.commands.iter().map(|command| format!("        {command}")));
    }
    lines.push(wrap("    ", &format!("Why: {}.", stage.why), INDENT));
    if let Some(point) = &stage.point_of_no_return {
        let text = wrap("    ", &format!("POINT OF NO RETURN. {}.", point.lost), INDENT);
        lines.push(text.lines().map(|line| paint.bad(line)).collect::<Vec<_>>().join("\n"));
    }
    lines.join("\n")
}

fn setting(setting: &Setting) -> String {
    match &setting.value {
        Some(value) => format!("        {}={value}", setting.name),
        None => format!("        (take out) {}", setting.name),
    }
}

/// A list and no table: names of settings and options must not break.
fn changes(changes: &[&Change], paint: Paint) -> String {
    let entry = |change: &&Change| {
        let effect = match change.effect {
            Effect::Gained => "new",
            Effect::Changed => "changed",
            Effect::Deprecated => "deprecated",
            Effect::Lost => "gone",
        };
        let painted = if change.effect == Effect::Lost { paint.bad(effect) } else { effect.to_owned() };
        let what = wrap(&format!("    {} ", change.since), &format!("{effect}: {}", change.what), CHANGE_INDENT).replacen(effect, &painted, 1);
        format!("{what}\n{}", wrap("         → ", &format!("{} [{}]", change.instead, change.source), CHANGE_INDENT + 2))
    };
    changes.iter().map(entry).collect::<Vec<_>>().join("\n")
}

/// Breaks between words; the first line begins as is said, the others with `indent` blanks.
fn wrap(begin: &str, text: &str, indent: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut line = begin.to_owned();
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > usize::from(WIDTH) {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push(line);
    lines.join("\n")
}
