//! The stack machine of a pickle: reads and executes instructions until STOP.

use super::cursor::Cursor;
use super::value::{Budget, Id, MAX_LINE, Node, Pickle};
use crate::Result;
use crate::checkpoint::source::Source;
use std::collections::HashMap;

/// The stack machine.
pub(super) struct Machine<'s, 'b> {
    pub input: Cursor<'s>,
    pub budget: &'b mut Budget,
    pub pickle: Pickle,
    pub stack: Vec<Id>,
    /// Stack heights at the open marks.
    pub marks: Vec<usize>,
    pub memo: HashMap<u32, Id>,
}

impl<'s, 'b> Machine<'s, 'b> {
    pub fn new(input: Cursor<'s>, budget: &'b mut Budget, pickle: Pickle) -> Self {
        Machine { input, budget, pickle, stack: vec![], marks: vec![], memo: HashMap::new() }
    }

    /// Runs until STOP.
    pub fn run(mut self) -> Result<Pickle> {
        loop {
            let at = self.input.at;
            let op = self.input.byte()?;
            self.charge(1)?;
            if op == b'.' {
                self.pickle.root = self.pop()?;
                self.pickle.end = self.input.at;
                return Ok(self.pickle);
            }
            self.step(op, at)?;
        }
    }

    pub fn source(&self) -> &Source {
        self.input.source
    }

    /// Executes one instruction. Opcodes are those of Python's `pickletools`.
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
            // BINUNICODE and the strings of Python 2, then byte strings
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
            // Memo
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
            // Classes, and their construction
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
                    return Err(self.malformed("makes an object without a class", at));
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
            _ => return Err(self.malformed(&format!("has the instruction {op:#04x}"), at)),
        }
        Ok(())
    }
}
