//! Log output: every message goes to standard error, and gani's warnings are also collected for the user.

use log::{Level, LevelFilter, Log, Metadata, Record};
use std::sync::{Mutex, PoisonError};

struct Logger {
    warnings: Mutex<Vec<String>>,
}

static LOGGER: Logger = Logger { warnings: Mutex::new(Vec::new()) };

/// Starts logging at the level of the environment variable `GANI_LOG` (error, warn, info, debug, trace), or at warn.
pub fn start() {
    let level = std::env::var("GANI_LOG").ok().and_then(|level| level.parse().ok());
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(level.unwrap_or(LevelFilter::Warn));
    }
}

/// Removes and returns the warnings and errors that gani's crates logged since the last call.
pub fn take_warnings() -> Vec<String> {
    std::mem::take(&mut *LOGGER.warnings.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
            && (metadata.target().starts_with("gani") || metadata.level() <= Level::Warn)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        eprintln!("gani-gimp: {}: {}", record.level().as_str().to_lowercase(), record.args());
        // Warnings of other crates concern developers, not users.
        if record.level() <= Level::Warn && record.target().starts_with("gani") {
            self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}
