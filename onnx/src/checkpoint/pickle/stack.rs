//! Stack, mark and memo operations of the pickle machine, and their limits.

use super::machine::Machine;
use super::value::{Id, MAX_LINE, MAX_MARKS, MAX_STEPS, MAX_TEXT, Node};
use crate::Result;

impl Machine<'_, '_> {
    pub(super) fn push(&mut self, node: Node) {
        self.stack.push(self.pickle.nodes.len() as Id);
        self.pickle.nodes.push(node);
    }

    pub(super) fn node(&self, id: Id) -> &Node {
        &self.pickle.nodes[id as usize]
    }

    /// Index of the first of the last `count` values, all of which must be above the last mark.
    pub(super) fn height(&self, count: usize) -> Result<usize> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let from = self.stack.len().checked_sub(count).filter(|&from| from >= floor);
        from.ok_or_else(|| self.malformed("takes more than it has", self.input.at))
    }

    pub(super) fn top(&self) -> Result<Id> {
        self.height(1).map(|at| self.stack[at])
    }

    pub(super) fn pop(&mut self) -> Result<Id> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    pub(super) fn mark(&mut self) -> Result<()> {
        if self.marks.len() == MAX_MARKS {
            return Err(self.source().limit(format!("its pickle nests deeper than {MAX_MARKS} levels")));
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    pub(super) fn pop_mark(&mut self) -> Result<Vec<Id>> {
        let mark = self
            .marks
            .pop()
            .ok_or_else(|| self.malformed("closes a mark that is not open", self.input.at))?;
        Ok(self.stack.split_off(mark))
    }

    /// Pops a tuple and returns its items.
    pub(super) fn pop_list(&mut self, at: u64) -> Result<Vec<Id>> {
        let args = self.pop()?;
        match self.node(args) {
            Node::List(items) => {
                let items = items.clone();
                self.charge(items.len())?;
                Ok(items)
            }
            _ => Err(self.malformed("calls something without a tuple of arguments", at)),
        }
    }

    /// Charges `count` steps: an instruction, or copied items, which count like the instructions that made
    /// them.
    pub(super) fn charge(&mut self, count: usize) -> Result<()> {
        let left = self.budget.steps.checked_sub(u32::try_from(count).unwrap_or(u32::MAX));
        self.budget.steps = left.ok_or_else(|| {
            self.source().limit(format!("its pickles have more than {MAX_STEPS} instructions"))
        })?;
        Ok(())
    }

    /// Adds items to the list or dict on top of the stack.
    pub(super) fn fill(&mut self, items: Vec<Id>) -> Result<()> {
        let (top, at) = (self.top()?, self.input.at);
        let even = items.len().is_multiple_of(2);
        match &mut self.pickle.nodes[top as usize] {
            Node::List(list) => list.extend(items),
            Node::Dict(dict) if even => dict.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1]))),
            // A subclass of list or dict of which only the state is read.
            Node::Object(_) | Node::Opaque => {}
            _ => return Err(self.malformed("fills a value that is neither a list nor a dict", at)),
        }
        Ok(())
    }

    pub(super) fn int<const N: usize>(&mut self, value: impl Fn([u8; N]) -> i64) -> Result<()> {
        let bytes = self.input.array()?;
        self.push(Node::Int(value(bytes)));
        Ok(())
    }

    /// LONG1: two's complement of up to 255 bytes; values beyond 8 bytes are opaque.
    pub(super) fn long(&mut self) -> Result<()> {
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

    pub(super) fn size<const N: usize>(&mut self) -> Result<u64> {
        let mut all = [0; 8];
        all[..N].copy_from_slice(&self.input.array::<N>()?);
        Ok(u64::from_le_bytes(all))
    }

    pub(super) fn text<const N: usize>(&mut self) -> Result<()> {
        let size = self.size::<N>()?;
        self.charge_text(size)?;
        let text = String::from_utf8_lossy(self.input.take(size as usize)?).into_owned();
        self.push(Node::Text(text));
        Ok(())
    }

    pub(super) fn charge_text(&mut self, size: u64) -> Result<()> {
        let left = usize::try_from(size).ok().and_then(|size| self.budget.text.checked_sub(size));
        self.budget.text = left.ok_or_else(|| {
            self.source().limit(format!("its pickles hold more than {MAX_TEXT} bytes of text"))
        })?;
        Ok(())
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Result<()> {
        let len = self.size::<N>()?;
        let at = self.input.skip(len)?;
        self.push(Node::Bytes { at, len });
        Ok(())
    }

    pub(super) fn digits(&mut self) -> Result<u32> {
        let at = self.input.at;
        self.input
            .line(MAX_LINE)?
            .parse()
            .map_err(|_| self.malformed("has an index that is not a number", at))
    }

    pub(super) fn put<const N: usize>(&mut self) -> Result<()> {
        let index = self.size::<N>()?;
        self.remember(index as u32)
    }

    pub(super) fn remember(&mut self, index: u32) -> Result<()> {
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    pub(super) fn get<const N: usize>(&mut self) -> Result<()> {
        let index = self.size::<N>()?;
        self.recall(index as u32)
    }

    pub(super) fn recall(&mut self, index: u32) -> Result<()> {
        let id = self.memo.get(&index).copied();
        let id =
            id.ok_or_else(|| self.malformed("recalls a value that it has not memoized", self.input.at))?;
        self.stack.push(id);
        Ok(())
    }

    pub(super) fn malformed(&self, what: &str, at: u64) -> crate::Error {
        self.source().bad(format!("not a checkpoint, or damaged: its pickle {what} (byte {at})"))
    }
}
