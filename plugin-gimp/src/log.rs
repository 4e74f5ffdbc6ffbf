//! What gani's core warns of: on standard error at once, and kept to be shown to the user when the work is done.

use log::{Level, LevelFilter, Log, Metadata, Record};
use std::sync::{Mutex, PoisonError};

struct Kept(Mutex<Vec<String>>);

static KEPT: Kept = Kept(Mutex::new(Vec::new()));

/// Starts logging: warnings, or what `GANI_LOG` (error, warn, info, debug, trace) asks for.
pub fn start() {
    let wanted = std::env::var("GANI_LOG").ok().and_then(|level| level.parse().ok());
    if log::set_logger(&KEPT).is_ok() {
        log::set_max_level(wanted.unwrap_or(LevelFilter::Warn));
    }
}

/// The warnings since the last call.
pub fn take_warnings() -> Vec<String> {
    std::mem::take(&mut *KEPT.0.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Log for Kept {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
            && (metadata.target().starts_with("gani") || metadata.level() <= Level::Warn)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        eprintln!("gani-gimp: {}: {}", record.level().as_str().to_lowercase(), record.args());
        // Other crates' warnings are for developers.
        if record.level() <= Level::Warn && record.target().starts_with("gani") {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}
