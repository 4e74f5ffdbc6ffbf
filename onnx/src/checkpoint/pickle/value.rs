//! The values of a pickle, and the limits of parsing one.

use crate::checkpoint::element::Element;

/// Maximum number of instructions in one file; a full training checkpoint has about a hundred thousand.
pub(super) const MAX_STEPS: u32 = 1 << 21;
/// Maximum number of text bytes in one file.
pub(super) const MAX_TEXT: usize = 32 << 20;
/// Maximum number of open marks: the nesting depth of a pickle.
pub(super) const MAX_MARKS: usize = 1024;
/// Maximum length of a class name, or of an index in digits, in bytes.
pub(super) const MAX_LINE: usize = 1024;

/// Index of a [`Node`] in [`Pickle::nodes`].
pub(in crate::checkpoint) type Id = u32;

/// A value of a pickle.
#[derive(Debug)]
pub(in crate::checkpoint) enum Node {
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
    /// A NumPy array, which is not read.
    Array,
    /// A value that tensors do not need: a device, a size, a NumPy number.
    Opaque,
}

/// A storage: elements that tensors share.
#[derive(Clone, Debug)]
pub(in crate::checkpoint) struct Storage {
    /// Element type; `None` for untyped bytes.
    pub element: Option<Element>,
    /// Number of elements, or of bytes if untyped.
    pub count: u64,
    pub place: Location,
}

/// The location of a storage's bytes.
#[derive(Clone, Debug)]
pub(in crate::checkpoint) enum Location {
    /// Under this key, which the container resolves.
    Key(String),
    /// At this byte offset of the file.
    At(u64),
}

/// A tensor: a strided view of a storage.
#[derive(Clone, Debug)]
pub(in crate::checkpoint) struct View {
    pub storage: usize,
    pub element: Element,
    /// In elements, like the strides.
    pub offset: u64,
    pub shape: Vec<usize>,
    pub strides: Vec<u64>,
}

/// The contents of a pickle.
pub(in crate::checkpoint) struct Pickle {
    pub nodes: Vec<Node>,
    pub root: Id,
    pub storages: Vec<Storage>,
    pub views: Vec<View>,
    /// The first byte after the pickle.
    pub end: u64,
}

/// The remaining budget of a file, shared by all its pickles.
pub(in crate::checkpoint) struct Budget {
    pub(super) steps: u32,
    pub(super) text: usize,
    /// Whether the pickle is itself inside a storage: nested storages are refused.
    pub(super) nested: bool,
}

impl Budget {
    pub fn new() -> Budget {
        Budget { steps: MAX_STEPS, text: MAX_TEXT, nested: false }
    }
}

/// A class or function on the allow-list.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::checkpoint) enum Global {
    /// A dict, constructed from nothing or from pairs.
    Dict,
    /// A list, tuple or set, constructed from one.
    List,
    /// `_rebuild_tensor(storage, offset, size, stride, …)` and its second version.
    Tensor,
    /// The third version, whose seventh argument is the dtype.
    TypedTensor,
    /// A function that returns its first argument, a tensor: `_rebuild_parameter`.
    First,
    /// `_rebuild_from_type_v2(function, class, arguments, state)`.
    FromType,
    /// A storage class; `None` if untyped.
    Storage(Option<Element>),
    /// A dtype.
    DType(Element),
    /// `torch.storage._load_from_bytes(bytes)`: a storage in the legacy format.
    LoadFromBytes,
    /// NVlabs' `_reconstruct_persistent_obj(meta)`, where `meta["state"]` is the object's `__dict__`.
    Persistent,
    /// A class whose objects consist of their `__dict__`.
    Object,
    /// A function that makes a NumPy array.
    Array,
    /// A class or function whose result tensors do not need.
    Opaque,
}
