//! gani in GIMP 3: **Edit Face** and **Face Variations** under Filters ▸ Portrait.
//!
//! One executable, built without GIMP headers: it opens libgimp at run time ([`host`]). The main thread talks to GIMP
//! and a second thread computes ([`worker`]). GIMP's Cancel kills the plug-in process, so all slow work is done before
//! the first change to the image.
//!
//! Modules, each of which imports only those after it: [`procedures`], [`dialog`], [`worker`], [`engine`],
//! [`messages`], [`settings`], [`arguments`], [`host`], [`record`], [`patch`], [`pixels`], [`log`], [`error`].

mod arguments;
mod dialog;
mod engine;
mod error;
mod host;
mod log;
mod messages;
mod patch;
mod pixels;
mod procedures;
mod queue;
mod record;
mod settings;
mod worker;

use std::process::ExitCode;

fn main() -> ExitCode {
    log::start();
    let arguments: Vec<String> = std::env::args().collect();
    let argument = |i: usize| arguments.get(i).map(String::as_str).unwrap_or_default();
    let is_mode = |text: &str| matches!(text, "-query" | "-init" | "-run");
    // GIMP 3 starts a plug-in with `-gimp PROTOCOL READ_FD WRITE_FD MODE`, GIMP 2 without the protocol version.
    let exit_code = match (argument(1), argument(4), argument(5)) {
        ("-gimp", _, mode) if is_mode(mode) => host::serve(arguments, &procedures::ALL),
        ("-gimp", mode, _) if is_mode(mode) => {
            Err("this is GIMP 2; the gani plug-in requires GIMP 3.0 or later".into())
        }
        _ => Err("this executable is a GIMP plug-in; install it with `gani plugin install gimp`, then GIMP lists it under \
             Filters, Portrait"
            .into()),
    };
    match exit_code {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(text) => {
            eprintln!("gani-gimp: {text}");
            ExitCode::FAILURE
        }
    }
}
