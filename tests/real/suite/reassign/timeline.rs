//! What writes took in each step of a reassignment.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::load::{Write, p99};

/// What the status said of the first topic, from its beginning.
#[derive(Debug, Default)]
pub(super) struct Timeline(Vec<Moment>);

#[derive(Debug)]
struct Moment {
    at: Instant,
    step: String,
    /// Of the topic.
    copied: u64,
    /// Bytes a second.
    throttle: u64,
}

impl Timeline {
    pub(super) fn note(&mut self, status: &Value) {
        let topic = &status["topics"][0];
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        let step = topic["step"].as_str().unwrap_or("unknown").to_owned();
        self.0.push(Moment { at: Instant::now(), step, copied: number(&topic["copied_bytes"]), throttle: number(&status["throttle"]) });
    }

    /// A line for each step, and one for each second: what the writes took that were sent meanwhile, and how far the topic was.
    pub(super) fn lines(&self, what: &str, writes: &[Write]) -> Vec<String> {
        let Some(first) = self.0.first() else { return Vec::new() };
        let mut lines = Vec::new();
        for part in self.0.chunk_by(|one, other| one.step == other.step) {
            lines.push(self.line(what, first.at, part, writes));
        }
        for part in self.0.chunk_by(|one, other| (one.at - first.at).as_secs() == (other.at - first.at).as_secs()) {
            lines.push(self.line(what, first.at, part, writes));
        }
        lines
    }

    fn line(&self, what: &str, began: Instant, part: &[Moment], writes: &[Write]) -> String {
        let (from, last) = (&part[0], &part[part.len() - 1]);
        let to = self.0.iter().map(|moment| moment.at).find(|at| *at > last.at).unwrap_or(last.at);
        let meanwhile: Vec<Write> = writes.iter().copied().filter(|write| (from.at..to).contains(&write.sent)).collect();
        let millis = |took: Option<Duration>| took.map_or_else(|| "unknown".to_owned(), |took| format!("{:.0} ms", took.as_secs_f64() * 1e3));
        let worst = meanwhile.iter().map(|write| write.took).max();
        format!(
            "{what}, {:.1} to {:.1} s, {}: {} KiB copied, throttle {} KiB/s; {} writes, p99 {}, longest {}",
            (from.at - began).as_secs_f64(),
            (to - began).as_secs_f64(),
            from.step,
            last.copied >> 10,
            last.throttle >> 10,
            meanwhile.len(),
            millis(p99(&meanwhile)),
            millis(worst),
        )
    }
}
