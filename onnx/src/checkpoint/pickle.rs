//! A pickle as a tree of plain values. The stack machine is run; what it would call is compared with a list of
//! constructors ([`globals`]) that we build ourselves, and everything else is refused by name. Nothing is executed.
//!
//! Values lie in one arena and refer to each other by number, as in Python: a list that was memorised and then filled
//! is one list. Each instruction adds at most one value, so that [`MAX_STEPS`] and [`MAX_TEXT`] bound the memory; byte
//! strings are left in the file.

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

/// Instructions of one file; a full training checkpoint has about a hundred thousand.
const MAX_STEPS: u32 = 1 << 21;
/// Bytes of text in one file.
const MAX_TEXT: usize = 32 << 20;
/// Marks that are open at the same time: how deep a pickle nests.
const MAX_MARKS: usize = 1024;
/// Bytes of a name of a class, or of an index in digits.
const MAX_LINE: usize = 1024;

/// Index of a [`Node`].
pub(super) type Id = u32;

/// A value.
#[derive(Debug)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// Bytes of the file.
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
    /// An object: what its `__dict__` or its argument holds.
    Object(Option<Id>),
    /// Something that no list of tensors needs: a device, a size, a number of NumPy's.
    Opaque,
}

/// Elements that tensors share.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    /// The type of its elements; `None` for untyped bytes.
    pub element: Option<Element>,
    /// Number of elements; of bytes where untyped.
    pub count: u64,
    pub place: Place,
}

/// Where a storage's bytes are.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// Under this key, which the container knows.
    Key(String),
    /// At this byte of the file.
    At(u64),
}

/// A tensor: a window on a storage.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub storage: usize,
    pub element: Element,
    /// In elements, as the strides.
    pub offset: u64,
    pub shape: Vec<usize>,
    pub strides: Vec<u64>,
}

/// What a pickle holds.
pub(super) struct Pickle {
    pub nodes: Vec<Node>,
    pub root: Id,
    pub storages: Vec<Storage>,
    pub views: Vec<View>,
    /// The first byte behind it.
    pub end: u64,
}

/// What may still be spent on a file; shared by all its pickles.
pub(super) struct Budget {
    steps: u32,
    text: usize,
    /// Whether byte strings may hold storages: not within such a byte string.
    nested: bool,
}

impl Budget {
    pub fn new() -> Budget {
        Budget { steps: MAX_STEPS, text: MAX_TEXT, nested: false }
    }
}

/// Reads the pickle that begins at byte `at` and ends before `end`.
pub(super) fn read(source: &Source, at: u64, end: u64, budget: &mut Budget) -> Result<Pickle> {
    let pickle = Pickle { nodes: vec![], root: 0, storages: vec![], views: vec![], end };
    let input = Cursor::new(source, at, end);
    Machine::new(input, budget, pickle).run()
}
