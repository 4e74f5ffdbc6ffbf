//! Parses a pickle into a tree of plain values. The stack machine runs, but calls nothing: a call is looked
//! up in an allow-list of constructors ([`globals`]), whose results this module builds itself. Everything
//! else is refused by name.
//!
//! Values are stored in one arena and refer to each other by index, as in Python: a list that is memoized and
//! filled later is one list. Each instruction adds at most one value, so [`MAX_STEPS`] and [`MAX_TEXT`] bound
//! the memory. Byte strings stay in the file.

mod cursor;
mod globals;
mod machine;
mod stack;

use super::element::Element;
use super::source::Source;
use crate::Result;
use cursor::Cursor;
use globals::Global;
use machine::Machine;

/// Maximum number of instructions in one file; a full training checkpoint has about a hundred thousand.
const MAX_STEPS: u32 = 1 << 21;
/// Maximum number of text bytes in one file.
const MAX_TEXT: usize = 32 << 20;
/// Maximum number of open marks: the nesting depth of a pickle.
const MAX_MARKS: usize = 1024;
/// Maximum length of a class name, or of an index in digits, in bytes.
const MAX_LINE: usize = 1024;

/// Index of a [`Node`] in [`Pickle::nodes`].
pub(super) type Id = u32;

/// A value of a pickle.
#[derive(Debug)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// A byte string, as a range of the file.
    Bytes {
        at: u64,
        len: u64,
    },
    /// A list, tuple or set.
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    /// Index into [`Pickle::storages`].
    Storage(usize),
    /// Index into [`Pickle::views`].
    Tensor(usize),
    /// An object, with its `__dict__` or constructor state.
    Object(Option<Id>),
    /// A value that tensors do not need: a device, a size, a NumPy number.
    Opaque,
}

/// A storage: elements that tensors share.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    /// Element type; `None` for untyped bytes.
    pub element: Option<Element>,
    /// Number of elements, or of bytes if untyped.
    pub count: u64,
    pub place: Place,
}

/// The location of a storage's bytes.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// Under this key, which the container resolves.
    Key(String),
    /// At this byte offset of the file.
    At(u64),
}

/// A tensor: a strided view of a storage.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub storage: usize,
    pub element: Element,
    /// In elements, like the strides.
    pub offset: u64,
    pub shape: Vec<usize>,
    pub strides: Vec<u64>,
}

/// The contents of a pickle.
pub(super) struct Pickle {
    pub nodes: Vec<Node>,
    pub root: Id,
    pub storages: Vec<Storage>,
    pub views: Vec<View>,
    /// The first byte after the pickle.
    pub end: u64,
}

/// The remaining budget of a file, shared by all its pickles.
pub(super) struct Budget {
    steps: u32,
    text: usize,
    /// Whether the pickle is itself inside a storage: nested storages are refused.
    nested: bool,
}

impl Budget {
    pub fn new() -> Budget {
        Budget { steps: MAX_STEPS, text: MAX_TEXT, nested: false }
    }
}

/// Reads the pickle that starts at byte `at` and ends before `end`.
pub(super) fn read(source: &Source, at: u64, end: u64, budget: &mut Budget) -> Result<Pickle> {
    let pickle = Pickle { nodes: vec![], root: 0, storages: vec![], views: vec![], end };
    let input = Cursor::new(source, at, end);
    Machine::new(input, budget, pickle).run()
}
