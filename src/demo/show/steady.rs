//! No restarts: the same load on both sides, by the clock and at full speed, for latencies and rates.

use std::time::{Duration, Instant};

use tokio::time::{Interval, MissedTickBehavior, interval, sleep_until};

use super::{FRAME, Stage};
use crate::demo::load::{Orders, Pace, Step, plan};
use crate::demo::observe::Moment;
use crate::demo::screen::Screen;
use crate::demo::view::{self, Summary};

/// Between two lines where there is no terminal, for a demo of ten times as long.
const LINE_MIN: Duration = Duration::from_secs(1);
const LINE_MAX: Duration = Duration::from_secs(5);

impl Stage {
    pub(super) async fn go_through(&mut self, lasts: Duration, screen: &mut Screen, summary: &mut Summary) {
        let began = Instant::now();
        let every = if screen.is_live() { FRAME } else { (lasts / 10).clamp(LINE_MIN, LINE_MAX) };
        let mut frames = interval(every);
        frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
        if !screen.is_live() {
            frames.reset();
            // Rates count from here.
            let _first = self.observer.picture(Moment::default()).await;
        }
        for step in plan(lasts) {
            self.take(step, began, lasts, &mut frames, screen).await;
            self.note_taken(summary);
            // A rest between two steps lets what is in flight end in its own step; the logs are read meanwhile, where that disturbs nobody's figures.
            self.orders.send_replace(Orders::default());
            if let Err(error) = self.audit.advance().await {
                summary.trouble(None, error.to_string());
                return;
            }
        }
    }

    async fn take(&mut self, step: Step, began: Instant, lasts: Duration, frames: &mut Interval, screen: &mut Screen) {
        self.orders.send_replace(step.orders);
        self.taking = Some((step.orders, Instant::now()));
        let over = sleep_until(tokio::time::Instant::now() + step.lasts);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return,
                _ = frames.tick() => {
                    let elapsed = began.elapsed().min(lasts);
                    let share = elapsed.as_secs_f64() / lasts.as_secs_f64();
                    let moment = Moment { elapsed, total: Some(lasts), share, doing: doing(&step.orders).to_owned(), ..Moment::default() };
                    let picture = self.observer.picture(moment).await;
                    if screen.is_live() {
                        screen.draw(&view::live(&picture, screen.width()));
                    } else {
                        screen.line(&view::plain(&picture));
                    }
                }
            }
        }
    }

    /// A step has ended, or was cut short.
    pub(super) fn note_taken(&mut self, summary: &mut Summary) {
        if let Some((orders, since)) = self.taking.take() {
            summary.note_step(&Step { orders, lasts: since.elapsed() });
        }
    }
}

fn doing(orders: &Orders) -> &'static str {
    match (orders.direct, orders.leeward) {
        (None, None) => "rest",
        (Some(Pace::Warm), _) | (_, Some(Pace::Warm)) => "warming up",
        (Some(Pace::Full), None) => "full speed, direct",
        (None, Some(Pace::Full)) => "full speed, through Leeward",
        (Some(Pace::Full), Some(_)) | (Some(_), Some(Pace::Full)) => "full speed, both at once",
        (Some(Pace::Steady), Some(Pace::Steady)) => "steady load, both at once",
        (Some(Pace::Steady), None) | (None, Some(Pace::Steady)) => "steady load, one side",
    }
}
