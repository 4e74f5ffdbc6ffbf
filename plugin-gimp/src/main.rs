//! gani in GIMP 3: **Edit Face** and **Face Variations** under Filters ▸ Portrait.
//!
//! One executable, built with no GIMP header: libgimp is opened at run time ([`host`]). The main thread talks to GIMP,
//! a worker computes ([`worker`]); all slow work comes before the first change of the picture, because GIMP's Cancel
//! kills a plug-in.

mod dialog;
mod edit_face;
mod host;
mod log;
mod pixels;
mod procedure;
mod settings;
mod studio;
mod variations;
mod worker;

use std::process::ExitCode;

fn main() -> ExitCode {
    log::start();
    let arguments: Vec<String> = std::env::args().collect();
    let at = |i: usize| arguments.get(i).map(String::as_str).unwrap_or_default();
    let mode = |text: &str| matches!(text, "-query" | "-init" | "-run");
    let served = match (at(1), at(4), at(5)) {
        ("-gimp", _, five) if mode(five) => host::serve(arguments),
        ("-gimp", four, _) if mode(four) => Err("this is GIMP 2; gani's plug-in is for GIMP 3.0 and later".into()),
        _ => Err("this is a plug-in: `gani plugin install gimp` puts it where GIMP finds it, under Filters, Portrait".into()),
    };
    match served {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(text) => {
            eprintln!("gani-gimp: {text}");
            ExitCode::FAILURE
        }
    }
}
