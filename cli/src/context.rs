//! What every command needs: the runtime, the model, where to print, when to stop.

use crate::args::Common;
use gani_core::model::Model;
use gani_core::runtime::{Cancel, Runtime, RuntimeOptions};
use gani_core::{Error, bundle};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::OnceLock;

/// Why a command did not end well.
pub enum Failure {
    /// Some of its parts failed, and each was reported.
    Some,
    /// It failed as a whole.
    Error(Error),
    /// The command line does not make sense.
    Usage(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Error(error)
    }
}

/// The outcome of a command.
pub type Outcome = Result<(), Failure>;

/// The state of one run of the program.
pub struct Context {
    pub common: Common,
    pub cancel: Cancel,
    runtime: OnceLock<Runtime>,
}

impl Context {
    /// Starts logging and listens for Ctrl-C.
    pub fn new(common: Common) -> Result<Context, Failure> {
        let level = match (common.quiet, common.verbose) {
            (true, _) => "error",
            (_, 0) => "warn",
            (_, 1) => "info",
            _ => "debug",
        };
        env_logger::Builder::from_env(env_logger::Env::new().filter_or("GANI_LOG", level))
            .format_timestamp(None)
            .init();
        let cancel = Cancel::new();
        let handler = cancel.clone();
        ctrlc::set_handler(move || {
            // A second Ctrl-C does not wait.
            if handler.is_cancelled() {
                std::process::exit(130);
            }
            handler.cancel();
        })
        .map_err(|e| Failure::Error(Error::Runtime(format!("Ctrl-C cannot be caught: {e}"))))?;
        Ok(Context { common, cancel, runtime: OnceLock::new() })
    }

    /// ONNX Runtime, loaded once; the device that was chosen is printed.
    pub fn runtime(&self) -> Result<&Runtime, Error> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let (device, threads) = (self.common.device, self.common.threads);
        let runtime = Runtime::load(&RuntimeOptions { device, threads, library: None })?;
        let threads = if runtime.threads() == 1 { "thread" } else { "threads" };
        self.say(&format!(
            "device {} ({} {threads}), ONNX Runtime {}",
            runtime.device(),
            runtime.threads(),
            runtime.version()
        ));
        Ok(self.runtime.get_or_init(|| runtime))
    }

    /// The model named on the command line, or `default`, or the best one installed.
    pub fn model(&self, default: Option<&str>) -> Result<Model, Error> {
        let name = self.common.model.as_deref().or(default).unwrap_or_else(|| bundle::preferred());
        let model = Model::open(name, self.runtime()?.clone())?;
        log::info!("model {} from {}", model.bundle.name(), model.bundle.folder().display());
        Ok(model)
    }

    /// A line for the user, on standard error; nothing with --quiet.
    pub fn say(&self, text: &str) {
        if !self.common.quiet {
            eprintln!("{text}");
        }
    }

    /// The result: as JSON with --json, else as text.
    pub fn print(&self, json: &impl serde::Serialize, text: &str) -> Outcome {
        let line = match self.common.json {
            true => serde_json::to_string(json)
                .map_err(|e| Error::Runtime(format!("the result is no JSON: {e}")))?,
            false if text.is_empty() => return Ok(()),
            false => text.to_owned(),
        };
        match writeln!(std::io::stdout().lock(), "{line}") {
            // Whoever read it has seen enough: `gani inspect FILE | head`.
            Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written.map_err(Error::io("writing to", Path::new("standard output")))?),
        }
    }

    /// Refuses to overwrite without --force.
    pub fn may_write(&self, path: &Path) -> Result<(), Error> {
        if path.exists() && !self.common.force {
            return Err(Error::Input(format!(
                "{} exists already; give another name, or --force to overwrite it",
                path.display()
            )));
        }
        Ok(())
    }
}
