//! Parses a pickle into a tree of plain values. The stack machine runs, but calls nothing: a call is looked
//! up in an allow-list of constructors ([`globals`]), whose results this module builds itself. Everything
//! else is refused by name.
//!
//! Values are stored in one arena and refer to each other by index, as in Python: a list that is memoized and
//! filled later is one list. Each instruction adds at most one value, so [`value::MAX_STEPS`] and [`value::MAX_TEXT`] bound
//! the memory. Byte strings stay in the file.

mod cursor;
mod globals;
pub(super) mod legacy;
mod machine;
mod stack;
mod value;

pub(super) use value::{Budget, Id, Location, Node, Pickle, View};

use super::source::Source;
use crate::Result;
use cursor::Cursor;
use machine::Machine;

/// Reads the pickle that starts at byte `at` and ends before `end`.
pub(super) fn read(source: &Source, at: u64, end: u64, budget: &mut Budget) -> Result<Pickle> {
    let pickle = Pickle { nodes: vec![], root: 0, storages: vec![], views: vec![], end };
    let input = Cursor::new(source, at, end);
    Machine::new(input, budget, pickle).run()
}
