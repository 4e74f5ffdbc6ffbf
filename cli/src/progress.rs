//! The progress bar on standard error.

use crate::context::message;
use gani_core::invert::{Progress, Stage};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// A progress bar with the remaining time, driven by [`Progress`] events.
pub struct Bar {
    bar: ProgressBar,
    quiet: bool,
}

impl Bar {
    /// Creates a bar. It is hidden if `quiet`, or if standard error is not a terminal.
    pub fn new(quiet: bool) -> Bar {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if quiet {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let style = ProgressStyle::with_template("  {msg:10} {bar:32} {pos}/{len}  {prefix}  {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Bar { bar, quiet }
    }

    /// Shows a progress event.
    pub fn on_progress(&mut self, event: Progress<'_>) {
        match event {
            Progress::Eta(time) if !self.quiet => {
                message(&format!("  estimated time: {}", format_duration(time)))
            }
            Progress::Eta(_) | Progress::Preview(_) => {}
            Progress::Begin(stage) => {
                self.bar.reset();
                self.bar.set_message(match stage {
                    Stage::Find => "detecting",
                    Stage::Prepare => "loading",
                    Stage::Refine => "latent",
                    Stage::Tune => "tuning",
                    Stage::Finish => "measuring",
                });
            }
            Progress::Step { step, steps, loss, .. } => {
                self.bar.set_length(steps as u64);
                self.bar.set_prefix(format!("loss {loss:.4}"));
                self.bar.set_position(step as u64);
            }
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Formats a rounded duration: `about 40 s`, `about 3 min`, `about 1.5 h`.
fn format_duration(time: Duration) -> String {
    match time.as_secs() {
        s @ 0..=89 => format!("about {} s", s.max(1)),
        s @ 90..=5399 => format!("about {} min", (s + 30) / 60),
        s => format!("about {:.1} h", s as f64 / 3600.0),
    }
}
