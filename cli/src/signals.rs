//! Ctrl-C, and the signals with which schedulers and terminals end a program.

use gani_core::runtime::Cancel;
use gani_core::{Error, Result};

/// Cancels `cancel` at the first Ctrl-C, SIGTERM or SIGHUP, and exits at the second.
///
/// # Errors
/// [`Error::Runtime`] if the handler cannot be installed.
pub fn cancel_on_signals(cancel: &Cancel) -> Result<()> {
    let cancel = cancel.clone();
    let ignores_hangup = hangup::is_ignored();
    ctrlc::set_handler(move || {
        if cancel.is_cancelled() {
            std::process::exit(130);
        }
        cancel.cancel();
    })
    .map_err(|e| Error::Runtime(format!("cannot install the Ctrl-C handler: {e}")))?;
    if ignores_hangup {
        hangup::ignore();
    }
    Ok(())
}

/// `nohup` starts programs with SIGHUP ignored, and it must stay so.
#[cfg(unix)]
#[allow(unsafe_code)]
mod hangup {
    pub fn is_ignored() -> bool {
        // SAFETY: a zeroed sigaction is valid; a null pointer leaves the action as it is.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(libc::SIGHUP, std::ptr::null(), &mut action) == 0
                && action.sa_sigaction == libc::SIG_IGN
        }
    }

    pub fn ignore() {
        // SAFETY: SIG_IGN is a valid action of SIGHUP.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
    }
}

#[cfg(not(unix))]
mod hangup {
    pub fn is_ignored() -> bool {
        false
    }

    pub fn ignore() {}
}
