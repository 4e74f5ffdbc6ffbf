//! A pickle as a tree of plain values. The stack machine is run; what it would call is compared with a list of
//! constructors ([`globals`]) that we build ourselves, and everything else is refused by name. Nothing is executed.
//!
//! Values lie in one arena and refer to each other by number, as in Python: a list that was memorised and then filled
//! is one list. Each instruction adds at most one value, so that [`MAX_STEPS`] and [`MAX_TEXT`] bound the memory; byte
//! strings are left in the file.

mod cursor;
mod globals;

use super::element::Element;
use super::source::Source;
use crate::Result;
use cursor::Cursor;
use globals::Global;
use std::collections::HashMap;

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
    Machine { input, budget, pickle, stack: vec![], marks: vec![], memo: HashMap::new() }.run()
}

/// The stack machine.
struct Machine<'s, 'b> {
    input: Cursor<'s>,
    budget: &'b mut Budget,
    pickle: Pickle,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl Machine<'_, '_> {
    fn run(mut self) -> Result<Pickle> {
        loop {
            let at = self.input.at;
            let op = self.input.byte()?;
            self.spend(1)?;
            if op == b'.' {
                self.pickle.root = self.pop()?;
                self.pickle.end = self.input.at;
                return Ok(self.pickle);
            }
            self.step(op, at)?;
        }
    }

    fn source(&self) -> &Source {
        self.input.source
    }

    /// One instruction; the letters are those of Python's `pickletools`.
    fn step(&mut self, op: u8, at: u64) -> Result<()> {
        match op {
            // PROTO, FRAME
            0x80 => drop(self.input.byte()?),
            0x95 => drop(self.input.array::<8>()?),
            // Constants
            b'N' => self.push(Node::None),
            0x88 => self.push(Node::Bool(true)),
            0x89 => self.push(Node::Bool(false)),
            b'J' => self.int(|b: [u8; 4]| i32::from_le_bytes(b).into())?,
            b'K' => self.int(|b: [u8; 1]| b[0].into())?,
            b'M' => self.int(|b: [u8; 2]| u16::from_le_bytes(b).into())?,
            0x8a => self.long()?,
            b'G' => {
                let bytes = self.input.array()?;
                self.push(Node::Float(f64::from_be_bytes(bytes)));
            }
            // BINUNICODE and the byte strings of Python 2, then byte strings
            b'X' | b'T' => self.text::<4>()?,
            0x8c | b'U' => self.text::<1>()?,
            0x8d => self.text::<8>()?,
            b'B' => self.bytes::<4>()?,
            b'C' => self.bytes::<1>()?,
            0x8e | 0x96 => self.bytes::<8>()?,
            // Empty containers
            b']' | b')' | 0x8f => self.push(Node::List(vec![])),
            b'}' => self.push(Node::Dict(vec![])),
            // MARK, POP, POP_MARK, DUP
            b'(' => self.mark()?,
            b'0' if self.marks.last() == Some(&self.stack.len()) => drop(self.marks.pop()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            // Tuples, lists, sets, dicts
            b't' | b'l' | 0x91 => {
                let items = self.pop_mark()?;
                self.push(Node::List(items));
            }
            0x85..=0x87 => {
                let from = self.height(usize::from(op - 0x84))?;
                let items = self.stack.split_off(from);
                self.push(Node::List(items));
            }
            b'd' => {
                let items = self.pop_mark()?;
                self.push(Node::Dict(vec![]));
                self.fill(items)?;
            }
            b'a' => {
                let item = self.pop()?;
                self.fill(vec![item])?;
            }
            b's' => {
                let from = self.height(2)?;
                let items = self.stack.split_off(from);
                self.fill(items)?;
            }
            b'e' | b'u' | 0x90 => {
                let items = self.pop_mark()?;
                self.fill(items)?;
            }
            // Memory
            b'q' => self.put::<1>()?,
            b'r' => self.put::<4>()?,
            0x94 => self.remember(self.memo.len() as u32)?,
            b'p' => {
                let index = self.digits()?;
                self.remember(index)?;
            }
            b'h' => self.get::<1>()?,
            b'j' => self.get::<4>()?,
            b'g' => {
                let index = self.digits()?;
                self.recall(index)?;
            }
            // Classes and what is made of them
            b'c' => {
                let (module, name) = (self.input.line(MAX_LINE)?, self.input.line(MAX_LINE)?);
                self.global(&module, &name, at)?;
            }
            0x93 => self.stack_global(at)?,
            b'i' => {
                let (module, name) = (self.input.line(MAX_LINE)?, self.input.line(MAX_LINE)?);
                self.global(&module, &name, at)?;
                let class = self.pop()?;
                let args = self.pop_mark()?;
                self.make(class, args, at)?;
            }
            b'o' => {
                let mut args = self.pop_mark()?;
                if args.is_empty() {
                    return Err(self.broken("makes an object of nothing", at));
                }
                let class = args.remove(0);
                self.make(class, args, at)?;
            }
            // REDUCE, NEWOBJ, NEWOBJ_EX, BUILD
            b'R' | 0x81 => {
                let args = self.pop_list(at)?;
                let class = self.pop()?;
                self.make(class, args, at)?;
            }
            0x92 => {
                self.pop()?;
                let args = self.pop_list(at)?;
                let class = self.pop()?;
                self.make(class, args, at)?;
            }
            b'b' => self.build()?,
            b'Q' => self.persistent(at)?,
            _ => return Err(self.broken(&format!("has the instruction {op:#04x}"), at)),
        }
        Ok(())
    }

    fn push(&mut self, node: Node) {
        self.stack.push(self.pickle.nodes.len() as Id);
        self.pickle.nodes.push(node);
    }

    fn node(&self, id: Id) -> &Node {
        &self.pickle.nodes[id as usize]
    }

    /// Where the last `count` values begin that lie above the last mark.
    fn height(&self, count: usize) -> Result<usize> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let from = self.stack.len().checked_sub(count).filter(|&from| from >= floor);
        from.ok_or_else(|| self.broken("takes more than it has", self.input.at))
    }

    fn top(&self) -> Result<Id> {
        self.height(1).map(|at| self.stack[at])
    }

    fn pop(&mut self) -> Result<Id> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    fn mark(&mut self) -> Result<()> {
        if self.marks.len() == MAX_MARKS {
            return Err(self.source().limit(format!("its pickle nests deeper than {MAX_MARKS} levels")));
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>> {
        let mark =
            self.marks.pop().ok_or_else(|| self.broken("ends what it has not begun", self.input.at))?;
        Ok(self.stack.split_off(mark))
    }

    /// The items of the tuple on top.
    fn pop_list(&mut self, at: u64) -> Result<Vec<Id>> {
        let args = self.pop()?;
        match self.node(args) {
            Node::List(items) => {
                let items = items.clone();
                self.spend(items.len())?;
                Ok(items)
            }
            _ => Err(self.broken("calls something without a tuple of arguments", at)),
        }
    }

    /// Instructions, and copies of items, which cost as much as what made them.
    fn spend(&mut self, count: usize) -> Result<()> {
        let left = self.budget.steps.checked_sub(u32::try_from(count).unwrap_or(u32::MAX));
        self.budget.steps = left.ok_or_else(|| {
            self.source().limit(format!("its pickles have more than {MAX_STEPS} instructions"))
        })?;
        Ok(())
    }

    /// Adds to the list or dict on top.
    fn fill(&mut self, items: Vec<Id>) -> Result<()> {
        let (top, at) = (self.top()?, self.input.at);
        let even = items.len().is_multiple_of(2);
        match &mut self.pickle.nodes[top as usize] {
            Node::List(list) => list.extend(items),
            Node::Dict(dict) if even => dict.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1]))),
            // A subclass of list or dict that is only state to us.
            Node::Object(_) | Node::Opaque => {}
            _ => return Err(self.broken("fills something that is no list and no dict", at)),
        }
        Ok(())
    }

    fn int<const N: usize>(&mut self, value: impl Fn([u8; N]) -> i64) -> Result<()> {
        let bytes = self.input.array()?;
        self.push(Node::Int(value(bytes)));
        Ok(())
    }

    /// LONG1: two's complement of up to 255 bytes, of which 8 fit.
    fn long(&mut self) -> Result<()> {
        let count = self.input.byte()?.into();
        let bytes = self.input.take(count)?;
        let fill = if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 };
        let mut all = [fill; 8];
        let node = match all.get_mut(..count) {
            Some(low) => {
                low.copy_from_slice(bytes);
                Node::Int(i64::from_le_bytes(all))
            }
            None => Node::Opaque,
        };
        self.push(node);
        Ok(())
    }

    fn size<const N: usize>(&mut self) -> Result<u64> {
        let mut all = [0; 8];
        all[..N].copy_from_slice(&self.input.array::<N>()?);
        Ok(u64::from_le_bytes(all))
    }

    fn text<const N: usize>(&mut self) -> Result<()> {
        let size = self.size::<N>()?;
        self.spend_text(size)?;
        let text = String::from_utf8_lossy(self.input.take(size as usize)?).into_owned();
        self.push(Node::Text(text));
        Ok(())
    }

    fn spend_text(&mut self, size: u64) -> Result<()> {
        let left = usize::try_from(size).ok().and_then(|size| self.budget.text.checked_sub(size));
        self.budget.text = left.ok_or_else(|| {
            self.source().limit(format!("its pickles hold more than {MAX_TEXT} bytes of text"))
        })?;
        Ok(())
    }

    fn bytes<const N: usize>(&mut self) -> Result<()> {
        let len = self.size::<N>()?;
        let at = self.input.skip(len)?;
        self.push(Node::Bytes { at, len });
        Ok(())
    }

    fn digits(&mut self) -> Result<u32> {
        let at = self.input.at;
        self.input.line(MAX_LINE)?.parse().map_err(|_| self.broken("has an index that is no number", at))
    }

    fn put<const N: usize>(&mut self) -> Result<()> {
        let index = self.size::<N>()?;
        self.remember(index as u32)
    }

    fn remember(&mut self, index: u32) -> Result<()> {
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn get<const N: usize>(&mut self) -> Result<()> {
        let index = self.size::<N>()?;
        self.recall(index as u32)
    }

    fn recall(&mut self, index: u32) -> Result<()> {
        let id = self.memo.get(&index).copied();
        let id = id.ok_or_else(|| self.broken("recalls what it has not memorised", self.input.at))?;
        self.stack.push(id);
        Ok(())
    }

    fn broken(&self, what: &str, at: u64) -> crate::Error {
        self.source().bad(format!("not a checkpoint, or damaged: its pickle {what} (byte {at})"))
    }
}
