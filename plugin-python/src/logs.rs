//! gani's warnings and messages, forwarded to Python's logger "gani".

use log::{Level, LevelFilter, Log, Metadata, Record};
use pyo3::prelude::*;

struct Forwarder;

impl Log for Forwarder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let level = match record.level() {
            Level::Error => 40,
            Level::Warn => 30,
            Level::Info => 20,
            Level::Debug | Level::Trace => 10,
        };
        let forwarded = Python::attach(|py| {
            let logger = py.import("logging")?.call_method1("getLogger", ("gani",))?;
            logger.call_method1("log", (level, "%s", record.args().to_string())).map(drop)
        });
        // A logger of the program that raises must not end gani's work.
        drop(forwarded);
    }

    fn flush(&self) {}
}

/// Starts forwarding. Later calls, and a process with another logger, change nothing.
pub fn forward() {
    if log::set_logger(&Forwarder).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}
