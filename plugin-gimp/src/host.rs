//! GIMP behind safe calls: libgimp and GTK, opened at run time and called from the main thread only.

mod buffer;
pub mod functions;
pub mod handles;
mod libgimp;
mod library;
mod plug_in;
mod procedure;
mod read_layer;
mod replace_layer;
mod write_layer;

pub use libgimp::{LibGimp, c_string};
pub use plug_in::serve;
pub use procedure::{ArgumentKind, ArgumentSpec, Call, Outcome, ProcedureSpec};
